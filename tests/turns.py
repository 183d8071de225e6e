"""Which worker runs which tests: those of a file are run by one, and all that ask a real Kubernetes by one, first of all.

So there is one control plane in a whole run. A start takes 5 CPU seconds and 400 MB, and what runs takes 3 % of a core
until the end, which four workers would pay four times; and tests that read a whole cluster have it for themselves.
"""

import re

from xdist.scheduler import LoadFileScheduling

KUBERNETES = "kubernetes"
"""The first parameter of a test with which it asks Kubernetes."""
ALONE = "tests/kube/"
"""The folder of the tests that ask nobody else."""


def asks_kubernetes(nodeid: str) -> bool:
    """Whether a test asks a real Kubernetes, as its id says."""
    return nodeid.startswith(ALONE) or re.search(rf"::\w+\[{KUBERNETES}[]-]", nodeid) is not None


class Turns(LoadFileScheduling):  # type: ignore[misc]
    """As `--dist loadfile`, but for Kubernetes."""

    def _split_scope(self, nodeid: str) -> str:
        return KUBERNETES if asks_kubernetes(nodeid) else str(super()._split_scope(nodeid))
