"""RBAC's rules: what a rule allows, which rules others cover, what an aggregated role gathers. Pure.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import msgspec

from starlink.apiserver.resources import label_selector

Obj = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
ALL = "*"


class Attributes(msgspec.Struct, frozen=True):
    """What is asked: a verb on a resource, or, where `path` is given, on a path that is no resource.

    `resource` is the plural; `version` decides nothing. `fields` is what a field selector demands of the objects
    of a list or watch, as pairs of path and value.
    """

    verb: str
    group: str = ""
    version: str = ALL
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str | None = None
    fields: tuple[tuple[str, str], ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """An answer and why."""

    allowed: bool
    reason: str = ""


_NAMES = {
    "verbs": "verbs",
    "groups": "apiGroups",
    "resources": "resources",
    "names": "resourceNames",
    "urls": "nonResourceURLs",
}


class Rule(msgspec.Struct, frozen=True, gc=False, rename=_NAMES):
    """A PolicyRule. JSON is decoded to it directly, for a role may state tens of thousands."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> "Rule":
        """The rule that a PolicyRule's JSON says."""
        return cls(*(tuple(rule.get(field) or ()) for field in _NAMES.values()))

    def as_dict(self) -> Obj:
        """The PolicyRule's JSON, without what is empty."""
        values = (self.verbs, self.groups, self.resources, self.names, self.urls)
        return {field: list(value) for field, value in zip(_NAMES.values(), values, strict=True) if value}


class _Stating(msgspec.Struct):
    rules: tuple[Rule, ...] = ()


_decode_stating = msgspec.json.Decoder(_Stating).decode


def rules_in(body: bytes) -> tuple[Rule, ...]:
    """The rules that a stored Role or ClusterRole states itself."""
    try:
        return _decode_stating(body).rules
    except msgspec.ValidationError:  # something is null
        return rules_of(msgspec.json.decode(body))


def rules_of(role: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules that a Role or ClusterRole states itself."""
    return tuple(Rule.of(rule) for rule in role.get("rules") or ())


def allows(rule: Rule, asked: Attributes) -> bool:
    """Whether `rule` allows what is asked."""
    if ALL not in rule.verbs and asked.verb not in rule.verbs:
        return False
    if asked.path is not None:
        return any(_url_covers(url, asked.path) for url in rule.urls)
    if ALL not in rule.groups and asked.group not in rule.groups:
        return False
    if rule.names and asked.name not in rule.names:
        return False
    return _names_resource(rule.resources, asked)


def _names_resource(resources: tuple[str, ...], asked: Attributes) -> bool:
    if ALL in resources:
        return True
    if not asked.subresource:
        return asked.resource in resources
    return f"{asked.resource}/{asked.subresource}" in resources or f"*/{asked.subresource}" in resources


def _url_covers(url: str, path: str) -> bool:
    return url == path or (url.endswith(ALL) and path.startswith(url.rstrip(ALL)))


def covers(owner: Sequence[Rule], wanted: Iterable[Rule]) -> tuple[Rule, ...]:
    """The parts of `wanted` that no rule of `owner` covers, each of one verb, group, resource and name; empty when
    all is covered.

    Source: https://github.com/kubernetes/component-helpers/blob/master/auth/rbac/validation/policy_comparator.go
    """
    parts = (part for rule in wanted for part in _parts(rule))
    return tuple(part for part in parts if not any(_covers(rule, part) for rule in owner))


def count(rule: Rule) -> int:
    """How many parts `covers` makes of a rule."""
    named = len(rule.groups) * len(rule.resources) * len(rule.verbs) * max(len(rule.names), 1)
    return named + len(rule.urls) * len(rule.verbs)


def _parts(rule: Rule) -> Iterator[Rule]:
    names: list[tuple[str, ...]] = [(name,) for name in rule.names] or [()]
    for group, resource, verb, name in product(rule.groups, rule.resources, rule.verbs, names):
        yield Rule((verb,), (group,), (resource,), name)
    for url, verb in product(rule.urls, rule.verbs):
        yield Rule((verb,), urls=(url,))


def _covers(owner: Rule, part: Rule) -> bool:
    return (
        _has(owner.verbs, part.verbs)
        and _has(owner.groups, part.groups)
        and all(_covers_resource(owner.resources, resource) for resource in part.resources)
        and (not owner.names or (bool(part.names) and set(part.names) <= set(owner.names)))
        and all(any(_url_covers(url, path) for url in owner.urls) for path in part.urls)
    )


def _has(owned: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return ALL in owned or set(wanted) <= set(owned)


def _covers_resource(owned: tuple[str, ...], resource: str) -> bool:
    _, slash, subresource = resource.partition("/")
    return ALL in owned or resource in owned or (bool(slash) and f"*/{subresource}" in owned)


def aggregated(role: Obj, cluster_roles: Iterable[Obj]) -> list[Obj]:
    """The rules that the role's aggregationRule gathers, as JSON: those of every ClusterRole that one of its
    selectors selects, by name, each rule once. What a selected role aggregates itself is gathered with it.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
    """
    stated = (rule for source in sources(role, cluster_roles) for rule in source.get("rules") or ())
    return list({msgspec.json.encode(rule, order="sorted"): rule for rule in stated}.values())


def sources(role: Obj, cluster_roles: Iterable[Obj]) -> Iterator[Obj]:
    """The roles whose rules those are."""
    return _sources(role, sorted(cluster_roles, key=_name), {_name(role)})


def _sources(role: Obj, cluster_roles: list[Obj], seen: set[str]) -> Iterator[Obj]:
    """The roles that state rules themselves below `role`; `seen` ends circles."""
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        for other in cluster_roles:
            if _name(other) in seen or not label_selector.selects(selector, other["metadata"].get("labels") or {}):
                continue
            seen.add(_name(other))
            if other.get("aggregationRule") is None:
                yield other
            else:
                yield from _sources(other, cluster_roles, seen)


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])
