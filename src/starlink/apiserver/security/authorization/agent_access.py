"""What a server's agent may do: what is its own server's, whatever RBAC says. Pure.

An agent is a ServiceAccount in namespace `starlink-servers` with its server's name. It is trusted with one server, so
no binding can give it more; this is asked before RBAC, as Kubernetes asks its node authorizer. What the bodies of its
writes may hold is in `agent_writes`.
"""

from enum import Enum

from msgspec.structs import replace

from starlink.api.labels import SERVER_NAMESPACE
from starlink.apiserver.security.authorization.rbac import Attributes
from starlink.http.message import User

CLUSTER_IDENTITY = "kube-system"
REFUSED = "an agent may only do what is its own server's"
_AGENT = f"system:serviceaccount:{SERVER_NAMESPACE}:"


class Verdict(Enum):
    ALLOW = "allow"
    DENY = "deny"
    ALLOW_ON_SERVER = "allow on server"
    """Allowed if the stored assignment's spec.server is the agent's own (`agent_server`)."""
    ALLOW_IF_REFERRED = "allow if referred"
    """Allowed if an assignment of the agent's own server, in the same namespace, refers to the object."""
    ALLOW_IF_REPORTED = "allow if reported"
    """Allowed if the stored Event is the agent's own, or there is none."""
    ALLOW_IF_REQUESTED = "allow if requested"
    """Allowed if the stored CertificateSigningRequest was made by the agent, or there is none."""


def agent_server(user: User) -> str | None:
    """The server whose agent the user is."""
    return user.name.removeprefix(_AGENT) if user.name.startswith(_AGENT) else None


def is_named_in_body(user: User, asked: Attributes) -> bool:
    """Whether the rule for an agent's create depends on the name in its body, which is not known yet."""
    server = agent_server(user)
    if server is None or asked.verb != "create" or asked.name:
        return False
    return verdict(user, asked) is Verdict.DENY and verdict(user, replace(asked, name=server)) is not Verdict.DENY


def may_ask(user: User, asked: Attributes) -> bool:
    """Whether an agent could list, watch or create what is its own of a kind: where the kind is not served, it is told
    so, and not that it may not."""
    server = agent_server(user)
    if server is None or asked.verb not in ("list", "watch", "create") or asked.name:
        return False
    own = replace(asked, name=server, fields=(("spec.server", server), ("metadata.name", server)))
    return verdict(user, own) is not Verdict.DENY


def verdict(user: User, asked: Attributes) -> Verdict | None:
    """The rule. None for who is no agent, and for paths that are no resources: RBAC decides these."""
    server = agent_server(user)
    if server is None or asked.path is not None:
        return None
    conditional = _CONDITIONAL.get((asked.group, asked.resource))
    if conditional is not None:
        return conditional(server, asked)
    allowed = _OWN.get((asked.group, asked.resource))
    return Verdict.ALLOW if allowed is not None and allowed(server, asked) else Verdict.DENY


def _assignments(server: str, asked: Attributes) -> Verdict:
    if asked.verb in ("list", "watch") and not asked.subresource:
        return Verdict.ALLOW if ("spec.server", server) in asked.fields else Verdict.DENY
    reads = asked.verb == "get"
    reports = asked.verb in ("patch", "update") and asked.subresource == "status"
    return Verdict.ALLOW_ON_SERVER if reads or reports else Verdict.DENY


def _referred(_server: str, asked: Attributes) -> Verdict:
    return Verdict.ALLOW_IF_REFERRED if _gets_by_name(asked) else Verdict.DENY


def _gets_by_name(asked: Attributes) -> bool:
    return asked.verb == "get" and bool(asked.name) and not asked.subresource


def _own_server(server: str, asked: Attributes) -> bool:
    if asked.verb in ("list", "watch"):
        return ("metadata.name", server) in asked.fields and not asked.subresource
    allowed = ("get", "patch", "update") if asked.subresource == "status" else ("get", "create", "patch")
    return asked.name == server and asked.subresource in ("", "status") and asked.verb in allowed


def _own_lease(server: str, asked: Attributes) -> bool:
    mine = (asked.namespace, asked.name, asked.subresource) == (SERVER_NAMESPACE, server, "")
    return mine and asked.verb in ("get", "create", "update", "patch")


def _own_token(server: str, asked: Attributes) -> bool:
    mine = (asked.namespace, asked.name, asked.subresource) == (SERVER_NAMESPACE, server, "token")
    return mine and asked.verb == "create"


def _events(_server: str, asked: Attributes) -> Verdict:
    """A patch is answered with the whole object, and tells by its refusals what is in it."""
    verdicts = {"create": Verdict.ALLOW, "patch": Verdict.ALLOW_IF_REPORTED}
    return Verdict.DENY if asked.subresource else verdicts.get(asked.verb, Verdict.DENY)


def _cluster_identity(_server: str, asked: Attributes) -> bool:
    return asked.name == CLUSTER_IDENTITY and _gets_by_name(asked)


def _certificate(_server: str, asked: Attributes) -> Verdict:
    if asked.verb == "create" and not asked.subresource:
        return Verdict.ALLOW
    return Verdict.ALLOW_IF_REQUESTED if _gets_by_name(asked) else Verdict.DENY


def _review(_server: str, asked: Attributes) -> bool:
    return asked.verb == "create" and not asked.subresource


_CONDITIONAL = {
    ("starlink.dev", "assignments"): _assignments,
    ("", "secrets"): _referred,
    ("", "configmaps"): _referred,
    ("", "events"): _events,
    ("events.k8s.io", "events"): _events,
    ("certificates.k8s.io", "certificatesigningrequests"): _certificate,
}
_OWN = {
    ("starlink.dev", "servers"): _own_server,
    ("coordination.k8s.io", "leases"): _own_lease,
    ("", "serviceaccounts"): _own_token,
    ("", "namespaces"): _cluster_identity,
    ("authentication.k8s.io", "selfsubjectreviews"): _review,
    ("bulk.starlink.dev", "bulkwrites"): _review,
    ("authorization.k8s.io", "selfsubjectaccessreviews"): _review,
    ("authorization.k8s.io", "selfsubjectrulesreviews"): _review,
}
