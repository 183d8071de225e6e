"""Who may do what: administrators everything, an agent what is its server's, everyone else what RBAC gives.

RBAC is read from the store; what it says is kept until a role or a binding changes.
Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from operator import is_
from typing import Any, Generic, TypeVar

import msgspec

from starlink.apiserver.access import rbac
from starlink.apiserver.access.rbac import GROUP, Attributes, Decision, Rule
from starlink.apiserver.errors import StatusError, qualified
from starlink.apiserver.message import ADMIN_GROUP, User
from starlink.store.base import Key, Record, Store

ROLES = f"{GROUP}/roles"
CLUSTER_ROLES = f"{GROUP}/clusterroles"
ROLE_BINDINGS = f"{GROUP}/rolebindings"
CLUSTER_ROLE_BINDINGS = f"{GROUP}/clusterrolebindings"
MEMO = 10_000
"""How many decisions are kept at most: names and paths are the asker's to invent."""
SHORT = 512
"""Characters of a namespace or a path up to which a decision on it is kept, for the same reason."""

AuthorizeAgent = Callable[[User, Attributes], Decision | None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Grant:
    """The rules that one binding gives, and its description; `missing` is the kind and name of an absent role."""

    rules: tuple[Rule, ...]
    reason: str
    missing: tuple[str, str] | None = None


class Authorizer:
    """Decides over one store. `authorize_agent` gives the decision on what an agent asks, None for RBAC to decide."""

    def __init__(self, store: Store, authorize_agent: AuthorizeAgent) -> None:
        self._store = store
        self._authorize_agent = authorize_agent
        self._lists: tuple[Sequence[Record] | None, ...] = (None,) * 4
        self._roles = _Decoded(lambda body: rbac.rules_of(_decode_object(body)))
        self._cluster_roles = _Decoded(_decode_object)
        self._role_bindings = _Decoded(_decode_binding)
        self._cluster_role_bindings = _Decoded(_decode_binding)
        self._index = _Index({}, ())
        self._grants: dict[tuple[Any, ...], tuple[Grant, ...]] = {}
        self._decisions: dict[tuple[Any, ...], Decision] = {}

    def authorize(self, user: User, asked: Attributes) -> Decision:
        """The decision; the reason of a refusal says which roles are missing, if any. Raises what the agent's rule
        raises."""
        if ADMIN_GROUP in user.groups:
            return _ALLOWED
        decision = self._authorize_agent(user, asked)
        return self._by_rules(user, asked) if decision is None else decision

    def rules_for(self, user: User, namespace: str = "") -> tuple[Grant, ...]:
        """What RBAC gives the user, everywhere and in `namespace`: cluster-wide bindings first, by name."""
        index = self._current()
        key = (user.name, user.groups, namespace)
        grants = self._grants.get(key)
        if grants is None:
            grants = index.grants(user, namespace)
            if len(namespace) <= SHORT:
                _keep(self._grants, key, grants)
        return grants

    def role_rules(self, kind: str, namespace: str, name: str) -> tuple[Rule, ...] | None:
        """The rules of a Role or ClusterRole, gathered ones too; None when there is no such role."""
        return self._current().roles.get((kind, namespace if kind == "Role" else "", name))

    def _by_rules(self, user: User, asked: Attributes) -> Decision:
        name = asked.name if asked.name in self._current().names else None
        key = (
            user.name, user.groups, asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace, name,
            asked.path,
        )  # fmt: skip
        decision = self._decisions.get(key)
        if decision is None:
            decision = _decide(self.rules_for(user, asked.namespace), asked)
            invented = (asked.namespace, asked.path or "", asked.group, asked.resource, asked.subresource)
            if sum(map(len, invented)) <= SHORT:
                _keep(self._decisions, key, decision)
        return decision

    def _current(self) -> "_Index":
        """The index of what is stored now. A list is the same object for as long as its resource is unchanged."""
        listed = self._store.list
        lists = (listed(ROLES), listed(CLUSTER_ROLES), listed(ROLE_BINDINGS), listed(CLUSTER_ROLE_BINDINGS))
        if not all(map(is_, lists, self._lists)):
            self._lists = lists
            self._rebuild(lists)
        return self._index

    def _rebuild(self, lists: tuple[Sequence[Record], ...]) -> None:
        roles, cluster_roles, within, everywhere = lists
        known = {("Role", key.namespace, key.name): rules for key, rules in self._roles.of(roles).items()}
        known.update(_effective(self._cluster_roles.of(cluster_roles)))
        bindings = (self._cluster_role_bindings.of(everywhere), self._role_bindings.of(within))
        self._index = _Index(known, chain.from_iterable(found.items() for found in bindings))
        self._grants.clear()
        self._decisions.clear()


_ALLOWED = Decision(True)
_REFUSED = Decision(False)


def unresolved(grants: Iterable[Grant], ending: str = "") -> list[str]:
    """Which roles are missing, in the real server's words, each once. Its authorizer names them in the singular, its
    check of writes in the plural, with `ending` s."""
    missing = dict.fromkeys(grant.missing for grant in grants if grant.missing)
    return [f"{kind.lower()}{ending}.{GROUP} {rbac.quoted(name)} not found" for kind, name in missing]


def together(messages: Sequence[str]) -> str:
    """Several errors as one."""
    return messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"


def forbidden(user: User, asked: Attributes, reason: str = "") -> StatusError:
    """The 403 in the real server's words."""
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    who = f"User {rbac.quoted(user.name)} cannot {asked.verb}"
    if asked.path is not None:
        what, subject = f"{who} path {rbac.quoted(asked.path)}", "forbidden"
    else:
        where = f"in the namespace {rbac.quoted(asked.namespace)}" if asked.namespace else "at the cluster scope"
        what = f"{who} resource {rbac.quoted(resource)} in API group {rbac.quoted(asked.group)} {where}"
        named = f" {rbac.quoted(asked.name)}" if asked.name else ""
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


def _keep(memo: dict[tuple[Any, ...], T], key: tuple[Any, ...], value: T) -> None:
    if len(memo) >= MEMO:
        memo.clear()
    memo[key] = value


class _Subject(msgspec.Struct):
    kind: str
    name: str
    namespace: str | None = None


class _RoleRef(msgspec.Struct):
    kind: str
    name: str


class _Binding(msgspec.Struct, rename="camel"):
    role_ref: _RoleRef
    subjects: list[_Subject] | None = None


_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_binding = msgspec.json.Decoder(_Binding).decode


class _Decoded(Generic[T]):
    """The decoded records of one resource; a record that is still the same is not decoded again."""

    def __init__(self, decode: Callable[[bytes], T]) -> None:
        self._decode = decode
        self._kept: dict[Key, tuple[Record, T]] = {}

    def of(self, records: Sequence[Record]) -> dict[Key, T]:
        before = self._kept
        self._kept = {record.key: self._one(before.get(record.key), record) for record in records}
        return {key: value for key, (_, value) in self._kept.items()}

    def _one(self, kept: tuple[Record, T] | None, record: Record) -> tuple[Record, T]:
        return kept if kept is not None and kept[0] is record else (record, self._decode(record.body))


_RoleKey = tuple[str, str, str]


def _effective(cluster_roles: Mapping[Key, rbac.Obj]) -> dict[_RoleKey, tuple[Rule, ...]]:
    """ClusterRoles' rules: of one with an aggregationRule those that it gathers now, whatever is written in it."""
    everything = list(cluster_roles.values())
    rules: dict[_RoleKey, tuple[Rule, ...]] = {}
    for key, role in cluster_roles.items():
        if role.get("aggregationRule") is not None:
            role = {"rules": rbac.aggregated(role, everything)}
        rules["ClusterRole", "", key.name] = rbac.rules_of(role)
    return rules


class _Index:
    """Bindings by whom they bind. `names` are those that any rule states: no other name changes a decision."""

    def __init__(self, roles: Mapping[_RoleKey, tuple[Rule, ...]], bindings: Iterable[tuple[Key, _Binding]]) -> None:
        self.roles = roles
        self.names = frozenset(name for rules in roles.values() for rule in rules for name in rule.names)
        self._bound: dict[tuple[str, str, str], list[tuple[int, int, Grant]]] = defaultdict(list)
        for place, (key, binding) in enumerate(bindings):
            self._add(place, key, binding)

    def _add(self, place: int, key: Key, binding: _Binding) -> None:
        ref = binding.role_ref
        rules = self.roles.get((ref.kind, key.namespace if ref.kind == "Role" else "", ref.name))
        missing = (ref.kind, ref.name) if rules is None else None
        for number, subject in enumerate(binding.subjects or ()):
            principal = _principal(subject, key.namespace)
            if principal is not None:
                grant = Grant(rules or (), _description(key, ref, subject), missing)
                self._bound[key.namespace, *principal].append((place, number, grant))

    def grants(self, user: User, namespace: str) -> tuple[Grant, ...]:
        """One grant a binding, for the first of its subjects that the user is."""
        scopes = ("", namespace) if namespace else ("",)
        principals = (("User", user.name), *(("Group", group) for group in user.groups))
        found: dict[int, tuple[int, Grant]] = {}
        for scope, principal in product(scopes, principals):
            for place, number, grant in self._bound.get((scope, *principal), ()):
                if place not in found or number < found[place][0]:
                    found[place] = number, grant
        return tuple(found[place][1] for place in sorted(found))


def _principal(subject: _Subject, namespace: str) -> tuple[str, str] | None:
    if subject.kind != "ServiceAccount":
        return (subject.kind, subject.name) if subject.kind in ("User", "Group") else None
    home = subject.namespace or namespace
    return ("User", f"system:serviceaccount:{home}:{subject.name}") if home else None


def _description(key: Key, ref: _RoleRef, subject: _Subject) -> str:
    binding = f"{key.name}/{key.namespace}" if key.namespace else key.name
    kind = "RoleBinding" if key.namespace else "ClusterRoleBinding"
    who = subject.name
    if subject.kind == "ServiceAccount":
        who = f"{subject.name}/{subject.namespace or key.namespace}"
    return f"{kind} {rbac.quoted(binding)} of {ref.kind} {rbac.quoted(ref.name)} to {subject.kind} {rbac.quoted(who)}"
