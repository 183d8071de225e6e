"""Who is bound to which roles. It follows what is stored record by record, and reads a role's rules, which may be
many, only when somebody who is bound to it asks. Pure.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Generic, Protocol, TypeVar

import msgspec

from starlink.api.errors import quoted
from starlink.apiserver.security.authorization import rbac
from starlink.apiserver.security.authorization.rbac import Obj, Rule
from starlink.http.message import User
from starlink.store.base import Key, Record


class Role(Protocol):
    """A Role or ClusterRole; `size` is that of its rules, in bytes."""

    size: int

    @property
    def rules(self) -> tuple[Rule, ...]: ...

    @property
    def names(self) -> frozenset[str]:
        """Those that any rule states: no other name changes a decision."""

    @property
    def is_read(self) -> bool:
        """Whether its names, and so its rules, have been asked for already."""


class Stated:
    """One that states its rules itself."""

    def __init__(self, record: Record) -> None:
        self._body = record.body
        self.size = len(record.body)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return rbac.rules_in(self._body)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(name for rule in self.rules for name in rule.names)

    @property
    def is_read(self) -> bool:
        return "names" in self.__dict__


class Gathered:
    """One that has, whatever is written in it, the rules of others."""

    def __init__(self, others: Sequence[Stated]) -> None:
        self._others = others
        self.size = sum(role.size for role in others)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(dict.fromkeys(rule for role in self._others for rule in role.rules))

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(name for role in self._others for name in role.names)

    @property
    def is_read(self) -> bool:
        return "names" in self.__dict__


@dataclass(frozen=True)
class Grant:
    """What one binding gives, and its description; `role` is None where `missing`, the kind and name, is absent."""

    role: Role | None
    binding: Key
    subject: "_Subject"
    ref: "_RoleRef"

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.role.rules if self.role is not None else ()

    @property
    def missing(self) -> tuple[str, str] | None:
        return None if self.role is not None else (self.ref.kind, self.ref.name)

    @property
    def reason(self) -> str:
        """The binding in words, as decisions tell it."""
        key, subject = self.binding, self.subject
        binding = f"{key.name}/{key.namespace}" if key.namespace else key.name
        kind = "RoleBinding" if key.namespace else "ClusterRoleBinding"
        who = subject.name
        if subject.kind == "ServiceAccount":
            who = f"{subject.name}/{subject.namespace or key.namespace}"
        role, who = f"{self.ref.kind} {quoted(self.ref.name)}", f"{subject.kind} {quoted(who)}"
        return f"{kind} {quoted(binding)} of {role} to {who}"


class Held:
    """What one user holds in one place: everywhere, or in a namespace too. `size` is that of all rules, in bytes."""

    def __init__(self, grants: tuple[Grant, ...]) -> None:
        self.grants = grants
        self._roles = [grant.role for grant in grants if grant.role is not None]
        self.size = sum(role.size for role in self._roles)

    @property
    def is_read(self) -> bool:
        return all(role.is_read for role in self._roles)

    def states(self, name: str) -> bool:
        """Whether any rule states the name."""
        return any(name in role.names for role in self._roles)


class Index:
    """Bindings by whom they bind, and roles by name."""

    def __init__(self) -> None:
        self._roles = _Followed(Stated)
        self._cluster_roles = _Followed(_ClusterRole)
        self._bindings = _Followed(_bound), _Followed(_bound)
        self._bound: dict[tuple[str, str, str], dict[Key, _Subject]] = defaultdict(dict)
        self._effective: dict[str, Role] = {}

    def follow(self, lists: Sequence[Sequence[Record]]) -> None:
        """Takes note of what is stored now: Roles, ClusterRoles, RoleBindings and ClusterRoleBindings."""
        self._roles.follow(lists[0])
        if any(self._cluster_roles.follow(lists[1])):
            self._effective = dict(_effective([role for _, role in self._cluster_roles.kept.values()]))
        for followed, records in zip(self._bindings, lists[2:], strict=True):
            gone, new = followed.follow(records)
            self._unbind(gone)
            self._bind(new)

    def role(self, kind: str, namespace: str, name: str) -> Role | None:
        """A Role or ClusterRole; None when there is none."""
        if kind == "ClusterRole":
            return self._effective.get(name)
        found = self._roles.kept.get((namespace, name))
        return found[1] if found is not None else None

    def held(self, user: User, namespace: str) -> Held:
        """One grant a binding, for the first of its subjects that the user is: cluster-wide bindings first, by name."""
        found: dict[Key, _Subject] = {}
        principals = (("User", user.name), *(("Group", group) for group in user.groups))
        for scope, principal in product(("", namespace) if namespace else ("",), principals):
            for key, subject in self._bound.get((scope, *principal), {}).items():
                if key not in found or subject.place < found[key].place:
                    found[key] = subject
        return Held(tuple(self._grant(key, found[key]) for key in sorted(found, key=lambda key: key[1:])))

    def _grant(self, key: Key, subject: "_Subject") -> Grant:
        followed = self._bindings[0 if key.namespace else 1]
        ref = followed.kept[key.namespace, key.name][1].role_ref
        return Grant(self.role(ref.kind, key.namespace, ref.name), key, subject, ref)

    def _bind(self, bindings: "Sequence[tuple[Key, _Binding]]") -> None:
        for key, binding in bindings:
            for subject in binding.subjects or ():
                principal = _principal(subject, key.namespace)
                if principal is not None:
                    self._bound[key.namespace, *principal].setdefault(key, subject)

    def _unbind(self, bindings: "Sequence[tuple[Key, _Binding]]") -> None:
        for key, binding in bindings:
            for subject in binding.subjects or ():
                principal = _principal(subject, key.namespace)
                if principal is not None and (bound := self._bound.get((key.namespace, *principal))):
                    bound.pop(key, None)
                    if not bound:
                        del self._bound[key.namespace, *principal]


class _Subject(msgspec.Struct):
    kind: str
    name: str
    namespace: str | None = None
    place: int = 0
    """Which of its binding's it is."""


class _RoleRef(msgspec.Struct):
    kind: str
    name: str


class _Binding(msgspec.Struct, rename="camel"):
    role_ref: _RoleRef
    subjects: list[_Subject] | None = None


_decode_binding = msgspec.json.Decoder(_Binding).decode


def _bound(record: Record) -> _Binding:
    binding = _decode_binding(record.body)
    for place, subject in enumerate(binding.subjects or ()):
        subject.place = place
    return binding


def _principal(subject: _Subject, namespace: str) -> tuple[str, str] | None:
    if subject.kind != "ServiceAccount":
        return (subject.kind, subject.name) if subject.kind in ("User", "Group") else None
    home = subject.namespace or namespace
    return ("User", f"system:serviceaccount:{home}:{subject.name}") if home else None


class _Head(msgspec.Struct):
    """What of a ClusterRole decides which others gather it, and which it gathers."""

    metadata: Obj
    aggregationRule: Obj | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


class _ClusterRole:
    def __init__(self, record: Record) -> None:
        head = _decode_head(record.body)
        self.stated = Stated(record)
        self.name = record.key.name
        self.gathers = head.aggregationRule is not None
        self.head: Obj = {"metadata": head.metadata}
        if self.gathers:
            self.head["aggregationRule"] = head.aggregationRule


def _effective(cluster_roles: Sequence[_ClusterRole]) -> Iterator[tuple[str, Role]]:
    """By name; one with an aggregationRule has the rules that it gathers now."""
    stated = {role.name: role.stated for role in cluster_roles}
    heads = [role.head for role in cluster_roles]
    for role in cluster_roles:
        if not role.gathers:
            yield role.name, role.stated
        else:
            sources = rbac.sources(role.head, heads)
            yield role.name, Gathered([stated[source["metadata"]["name"]] for source in sources])


T = TypeVar("T")


class _Followed(Generic[T]):
    """What is made of the records of one resource; of one that is still the same nothing is made again."""

    def __init__(self, make: Callable[[Record], T]) -> None:
        self._make = make
        self._records: Sequence[Record] | None = None
        self.kept: dict[tuple[str, str], tuple[Record, T]] = {}

    def follow(self, records: Sequence[Record]) -> tuple[list[tuple[Key, T]], list[tuple[Key, T]]]:
        """Gives what is no more, and what is new: of a record that has changed both."""
        if records is self._records:
            return [], []
        before, self._records = self.kept, records
        self.kept = {record.key[1:]: self._one(before, record) for record in records}
        new = [(r.key, made) for at, (r, made) in self.kept.items() if (b := before.get(at)) is None or b[0] is not r]
        gone = [(r.key, made) for at, (r, made) in before.items() if (k := self.kept.get(at)) is None or k[0] is not r]
        return gone, new

    def _one(self, before: dict[tuple[str, str], tuple[Record, T]], record: Record) -> tuple[Record, T]:
        kept = before.get(record.key[1:])
        return kept if kept is not None and kept[0] is record else (record, self._make(record))
