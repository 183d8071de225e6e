"""The kinds that the operator looks after: a file each, and a line here."""

from collections.abc import Sequence

from starlink_operator.controller import Entry
from starlink_operator.kinds import fleet, task

KINDS: Sequence[Entry] = (
    task.ENTRY,
    fleet.ENTRY,
)
