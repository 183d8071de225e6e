"""Who may do what: administrators everything, an agent what is its server's, everyone else what RBAC gives.

RBAC is read from the store; what it says is kept until a role or a binding changes.
Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any

from starlink.api.errors import StatusError, qualified, quoted
from starlink.apiserver import aside
from starlink.apiserver.memo import Memo
from starlink.apiserver.security.authorization import rbac
from starlink.apiserver.security.authorization.binding import Grant, Held, Index, Role
from starlink.apiserver.security.authorization.rbac import GROUP, Attributes, Decision
from starlink.http.message import ADMIN_GROUP, User
from starlink.store.base import Record, Store

ROLES = f"{GROUP}/roles"
CLUSTER_ROLES = f"{GROUP}/clusterroles"
ROLE_BINDINGS = f"{GROUP}/rolebindings"
CLUSTER_ROLE_BINDINGS = f"{GROUP}/clusterrolebindings"
MEMO = 10_000
"""How many decisions are kept at most: names and paths are the asker's to invent."""
KEPT = 16 * 1024 * 1024
"""Characters of them, and of what is kept of grants, for the same reason."""
_GRANT = 256
"""What a grant counts as there."""

MANY = 256 * 1024
"""Bytes of rules that are looked through beside the loop: it takes some 10 ms a megabyte."""

AuthorizeAgent = Callable[[User, Attributes], Decision | None]
Decisions = Memo[tuple[Any, ...], Decision]


class Authorizer:
    """Decides over one store. `authorize_agent` gives the decision on what an agent asks, None for RBAC to decide."""

    def __init__(self, store: Store, authorize_agent: AuthorizeAgent) -> None:
        self._store = store
        self._authorize_agent = authorize_agent
        self._lists: tuple[Sequence[Record] | None, ...] = (None,) * 4
        self._index = Index()
        self._held, self._decisions = _memos()

    def authorize(self, user: User, asked: Attributes) -> Decision:
        """The decision; the reason of a refusal says which roles are missing, if any. Raises what the agent's rule
        raises."""
        decision = self._without_rules(user, asked)
        if decision is None:
            decision = _by_rules(user, asked, self.held(user, asked.namespace), self._decisions)
        return decision

    async def decided(self, user: User, asked: Attributes) -> Decision:
        """The same; many rules are looked through beside the loop."""
        decision = self.at_once(user, asked)
        if decision is not None:
            return decision
        held, kept = self.held(user, asked.namespace), self._decisions
        return await aside.run(aside.LARGE, lambda: _by_rules(user, asked, held, kept))

    def at_once(self, user: User, asked: Attributes) -> Decision | None:
        """The same; None where many rules would have to be looked through."""
        decision = self._without_rules(user, asked)
        if decision is not None:
            return decision
        held, kept = self.held(user, asked.namespace), self._decisions
        if held.size >= MANY and (not held.is_read or _kept_key(user, asked, held) not in kept):
            return None
        return _by_rules(user, asked, held, kept)

    def held(self, user: User, namespace: str = "") -> Held:
        """What RBAC gives the user, everywhere and in `namespace`: cluster-wide bindings first, by name."""
        self._follow()
        key = (user.name, user.groups, namespace)
        held = self._held.get(key)
        if held is None:
            held = self._index.held(user, namespace)
            self._held.keep(key, held, _GRANT * len(held.grants))
        return held

    def role(self, kind: str, namespace: str, name: str) -> Role | None:
        """A Role or ClusterRole; None when there is no such role."""
        self._follow()
        return self._index.role(kind, namespace, name)

    def _without_rules(self, user: User, asked: Attributes) -> Decision | None:
        """Of those whom RBAC is not asked about."""
        return _ALLOWED if ADMIN_GROUP in user.groups else self._authorize_agent(user, asked)

    def _follow(self) -> None:
        """Has the index follow what is stored. A list is the same object for as long as its resource is unchanged."""
        listed = self._store.list
        lists = (listed(ROLES), listed(CLUSTER_ROLES), listed(ROLE_BINDINGS), listed(CLUSTER_ROLE_BINDINGS))
        if not all(map(is_, lists, self._lists)):
            self._lists = lists
            self._index.follow(lists)
            self._held, self._decisions = _memos()  # new ones: a decision may be being made beside the loop


_ALLOWED = Decision(True)
_REFUSED = Decision(False)


def unresolved(grants: Iterable[Grant], ending: str = "") -> list[str]:
    """Which roles are missing, in the real server's words, each once. Its authorizer names them in the singular, its
    check of writes in the plural, with `ending` s."""
    missing = dict.fromkeys(grant.missing for grant in grants if grant.missing)
    return [f"{kind.lower()}{ending}.{GROUP} {quoted(name)} not found" for kind, name in missing]


def together(messages: Sequence[str]) -> str:
    """Several errors as one."""
    return messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"


def forbidden(user: User, asked: Attributes, reason: str = "") -> StatusError:
    """The 403 in the real server's words."""
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    who = f"User {quoted(user.name)} cannot {asked.verb}"
    if asked.path is not None:
        what, subject = f"{who} path {quoted(asked.path)}", "forbidden"
    else:
        where = f"in the namespace {quoted(asked.namespace)}" if asked.namespace else "at the cluster scope"
        what = f"{who} resource {quoted(resource)} in API group {quoted(asked.group)} {where}"
        named = f" {quoted(asked.name)}" if asked.name else ""
        subject = f"{qualified(asked.group, asked.resource)}{named} is forbidden"
    safe = what.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    message = f"{subject}: {safe}" + (f": {reason}" if reason else "")
    return StatusError(403, "Forbidden", message, asked.group, asked.resource, asked.name)


def _decide(grants: Sequence[Grant], asked: Attributes) -> Decision:
    for grant in grants:
        if any(rbac.allows(rule, asked) for rule in grant.rules):
            return Decision(True, f"RBAC: allowed by {grant.reason}")
    missing = unresolved(grants)
    return Decision(False, f"RBAC: {together(missing)}") if missing else _REFUSED


def _by_rules(user: User, asked: Attributes, held: Held, kept: Decisions) -> Decision:
    """The decision, which is looked up in `kept` and joins it."""
    key = _kept_key(user, asked, held)
    decision = kept.get(key)
    if decision is None:
        decision = _decide(held.grants, asked)
        kept.keep(key, decision, len(decision.reason))
    return decision


def _kept_key(user: User, asked: Attributes, held: Held) -> tuple[Any, ...]:
    name = asked.name if held.states(asked.name) else None
    return (
        user.name, user.groups, asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace, name,
        asked.path,
    )  # fmt: skip


def _memos() -> tuple[Memo[tuple[Any, ...], Held], Decisions]:
    return Memo(MEMO, KEPT), Memo(MEMO, KEPT)
