"""Which requests have more turns than others when the server is busy.

Heartbeats, lest servers that are well seem silent, and what decides, lest it be drowned by a thousand agents that
report. Kubernetes' suggested priority levels `node-high` and `workload-high` do the same
(https://kubernetes.io/docs/concepts/cluster-administration/flow-control/). The others have their turns too.
"""

from starlink.api.kinds import LEASE
from starlink.apiserver.message import OPERATOR, Request

HEARTBEAT, CONTROL, ORDINARY = 4, 4, 1

_LEASES = f"{LEASE.path}/namespaces/"


def weight(request: Request) -> int:
    """How many turns a request of its kind has for one of the ordinary ones."""
    if request.path.startswith(_LEASES):
        return HEARTBEAT
    return CONTROL if request.user.name == OPERATOR else ORDINARY
