"""Who may do what, as one fixed rule, until RBAC comes.

The admin group and the operator may do everything; an agent what is its server's own; everyone may
read health, version and discovery, which never comes here. Pure.
"""

from dataclasses import dataclass
from enum import Enum

from starlink.apiserver.errors import qualified
from starlink.apiserver.message import ADMIN_GROUP, OPERATOR, User

SERVER_NAMESPACE = "starlink-servers"
CLUSTER_IDENTITY = "kube-system"
_AGENT = f"system:serviceaccount:{SERVER_NAMESPACE}:"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked: a verb of Kubernetes on a resource. `selected_name` and `selected_server` are what the
    field selector demands of metadata.name and spec.server."""

    verb: str
    group: str
    plural: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    selected_name: str | None = None
    selected_server: str | None = None


class Verdict(Enum):
    ALLOW = "allow"
    DENY = "deny"
    ALLOW_ON_SERVER = "allow on server"
    """Allowed if the stored assignment's spec.server is the agent's own (`agent_server`)."""


def agent_server(user: User) -> str | None:
    """The server whose agent the user is."""
    return user.name.removeprefix(_AGENT) if user.name.startswith(_AGENT) else None


def authorize(user: User, asked: Attributes) -> Verdict:
    """The rule."""
    if ADMIN_GROUP in user.groups or user.name == OPERATOR:
        return Verdict.ALLOW
    server = agent_server(user)
    if server is None:
        return Verdict.DENY
    return _agent(server, asked)


def _agent(server: str, asked: Attributes) -> Verdict:
    resource = (asked.group, asked.plural)
    if resource == ("starlink.dev", "assignments"):
        return _assignments(server, asked)
    allowed = {
        ("starlink.dev", "servers"): _own_server,
        ("coordination.k8s.io", "leases"): _own_lease,
        ("", "serviceaccounts"): _own_token,
        ("", "events"): _events,
        ("", "namespaces"): _cluster_identity,
    }.get(resource)
    return Verdict.ALLOW if allowed is not None and allowed(server, asked) else Verdict.DENY


def _assignments(server: str, asked: Attributes) -> Verdict:
    if asked.verb in ("list", "watch") and not asked.subresource:
        return Verdict.ALLOW if asked.selected_server == server else Verdict.DENY
    reads = asked.verb == "get"
    reports = asked.verb in ("patch", "update") and asked.subresource == "status"
    return Verdict.ALLOW_ON_SERVER if reads or reports else Verdict.DENY


def _own_server(server: str, asked: Attributes) -> bool:
    if asked.verb in ("list", "watch"):
        return asked.selected_name == server
    if asked.verb == "create" and asked.subresource:
        return False
    allowed = ("get", "patch", "update") if asked.subresource == "status" else ("get", "create")
    return asked.name == server and asked.verb in allowed


def _own_lease(server: str, asked: Attributes) -> bool:
    mine = asked.namespace == SERVER_NAMESPACE and asked.name == server
    return mine and asked.verb in ("get", "create", "update", "patch")


def _own_token(server: str, asked: Attributes) -> bool:
    mine = asked.namespace == SERVER_NAMESPACE and asked.name == server
    return mine and asked.verb == "create" and asked.subresource == "token"


def _events(_server: str, asked: Attributes) -> bool:
    return asked.verb in ("create", "patch") and not asked.subresource


def _cluster_identity(_server: str, asked: Attributes) -> bool:
    return asked.verb == "get" and asked.name == CLUSTER_IDENTITY and not asked.subresource


def refusal(user: User, asked: Attributes) -> str:
    """The real server's words for a 403."""
    resource = f"{asked.plural}/{asked.subresource}" if asked.subresource else asked.plural
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    named = f' "{asked.name}"' if asked.name else ""
    return (
        f"{qualified(asked.group, asked.plural)}{named} is forbidden: "
        f'User "{user.name}" cannot {asked.verb} resource "{resource}" in API group "{asked.group}"{where}'
    )
