"""Rights that are missing, as the API says it, and the rule that gives them. Pure but for the log passed in."""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from starlink.api.kinds import Kind
from starlink.client.errors import ClientError, Forbidden

_DENIAL = re.compile(
    r'User "(?P<user>(?:[^"\\]|\\.)+)" cannot (?P<verb>\w+) resource "(?P<resource>[\w./-]+)" '
    r'in API group "(?P<group>[\w.-]*)"(?: in the namespace "(?P<namespace>[\w.-]+)"| at the cluster scope)'
    r"(?:: RBAC: .*)?$",
    re.DOTALL,
)
_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """To do something with a resource, such as `tasks/status`; in all namespaces where `namespace` is ""."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        name, slash, sub = self.resource.partition("/")
        where = f"in namespace {self.namespace}" if self.namespace else "in the whole cluster"
        return f"{self.verb} {name}{f'.{self.group}' if self.group else ''}{slash}{sub} {where}"


def of(kind: Kind, *verbs: str, sub: str = "", namespace: str = "") -> Sequence[Right]:
    """To do each of these with a kind, or with a subresource of it."""
    resource = f"{kind.plural}/{sub}" if sub else kind.plural
    return [Right(verb, kind.group, resource, namespace) for verb in verbs]


@dataclass(frozen=True, slots=True)
class Denial:
    """Who has not got which right."""

    user: str
    right: Right

    def __str__(self) -> str:
        """What is missing, and the rule to add and where."""
        return f"{shown(self.user)} may not {self.right}; {remedy([self.right])}"


def denial(error: ClientError) -> Denial | None:
    """What an error says of a right that a role could give; None where it is another matter, such as a rule of
    admission or of an agent's own."""
    found = _DENIAL.search(str(error)) if isinstance(error, Forbidden) else None
    if found is None:
        return None
    right = Right(found["verb"], found["group"], found["resource"], found["namespace"] or "")
    return Denial(found["user"], right)


def remedy(rights: Iterable[Right]) -> str:
    """Which rules are to be added to which roles, as YAML that can be pasted."""
    namespaces: dict[str, list[Right]] = {}
    for right in sorted(rights):
        namespaces.setdefault(right.namespace, []).append(right)
    return "; ".join(
        f"add to {f'a Role in namespace {name}' if name else 'a ClusterRole'} that is bound to it: {_rules(found)}"
        for name, found in namespaces.items()
    )


def _rules(rights: Iterable[Right]) -> str:
    """The fewest rules that give these rights of one namespace and no others."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), []).append(right.verb)
    resources: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), found in verbs.items():
        resources.setdefault((group, tuple(found)), []).append(resource)
    return " ".join(
        f'- {{apiGroups: ["{group}"], resources: [{", ".join(names)}], verbs: [{", ".join(found)}]}}'
        for (group, found), names in resources.items()
    )


def explained(error: ClientError) -> str:
    """An error in words, with the rule to add where a right is missing."""
    missing = denial(error)
    return f"{error}; {remedy([missing.right])}" if missing else str(error)


class Missing:
    """Tells of each missing right once, until it has been had."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lacking: set[Right] = set()
        self._noted: set[Right] = set()

    def note(self, error: ClientError) -> None:
        """Takes note of a refusal."""
        found = denial(error)
        if found is None:
            return
        known = self._lacking | self._noted
        if found.right not in known and replace(found.right, namespace="") not in known:
            self._noted.add(found.right)
            self._log.error("a right is missing: %s", found, extra={"right": str(found.right)})

    def tell(self, user: str, rights: Iterable[Right]) -> None:
        """Tells at once of all that are missing of those that are needed, where some are new, and of those that have
        come."""
        found, before = set(rights), self._lacking
        self._lacking = found
        if found - before:
            names = ", ".join(sorted(map(str, found)))
            self._log.error("rights are missing: %s may not %s; %s", user, names, remedy(found))
        elif come := before - found:
            self._noted.clear()  # should one be taken away again, that is told again
            self._log.info("rights that were missing are there", extra={"rights": sorted(map(str, come))})


def shown(user: str) -> str:
    """Who somebody is, as people write it in a binding."""
    if user.startswith(_ACCOUNT):
        namespace, _, name = user.removeprefix(_ACCOUNT).partition(":")
        return f"ServiceAccount {name} of namespace {namespace}"
    return f"User {user}"
