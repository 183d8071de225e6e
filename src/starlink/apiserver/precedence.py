"""On whose account a request goes, and which requests have more turns than others when the server is busy.

Heartbeats, lest servers that are well seem silent, and what decides, lest it be drowned by a thousand agents that
report. Kubernetes' suggested priority levels `node-high` and `workload-high` do the same
(https://kubernetes.io/docs/concepts/cluster-administration/flow-control/). The others have their turns too.
"""

from collections.abc import Hashable

from starlink.api.kinds import LEASE
from starlink.apiserver.fairness import Account
from starlink.apiserver.message import ANONYMOUS, OPERATOR, Request, User

HEARTBEAT, CONTROL, ORDINARY = 4, 4, 1

_LEASES = f"{LEASE.path}/namespaces/"


def weight(request: Request) -> int:
    """How many turns a request of its kind has for one of the ordinary ones."""
    if request.path.startswith(_LEASES):
        return HEARTBEAT
    return CONTROL if _sender(request).name == OPERATOR else ORDINARY


def payer(user: User, remote: str) -> Hashable:
    """On whose account the user's requests go: strangers are told apart by where they are."""
    return user.name if user is not ANONYMOUS else ("", remote)


def account(request: Request) -> Account:
    """The account of a request: its sender's, as whomever it is done."""
    return Account(payer(_sender(request), request.remote), weight(request))


def _sender(request: Request) -> User:
    return request.sender or request.user
