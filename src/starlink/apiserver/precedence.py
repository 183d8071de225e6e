"""On whose account a request goes, and which requests have more turns than others when the server is busy.

Heartbeats, lest servers that are well seem silent, and what decides, lest it be drowned by a thousand agents that
report. Kubernetes' suggested priority levels `node-high` and `workload-high` do the same
(https://kubernetes.io/docs/concepts/cluster-administration/flow-control/). The others have their turns too.
"""

from starlink.api.kinds import LEASE
from starlink.http.accounts import payer, sender
from starlink.http.fairness import ORDINARY, Account
from starlink.http.message import OPERATOR, Request

HEARTBEAT, CONTROL = 4, 4

_LEASES = f"{LEASE.path}/namespaces/"


def weight(request: Request) -> int:
    """How many turns a request of its kind has for one of the ordinary ones."""
    if request.path.startswith(_LEASES):
        return HEARTBEAT
    return CONTROL if sender(request).name == OPERATOR else ORDINARY


def account(request: Request) -> Account:
    """The account of a request: its sender's, as whomever it is done."""
    return Account(payer(sender(request), request.remote), weight(request))
