"""What may hold plans back: a line here for each gate."""

from collections.abc import Sequence

from starlink.planning.contract import Gate

GATES: Sequence[Gate] = ()
"""None of the kinds that there are brings one."""
