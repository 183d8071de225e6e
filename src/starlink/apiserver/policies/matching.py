"""Whether a policy's matchConstraints or a binding's matchResources mean a request. Pure.

The rules are those of
https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/matching/matching.go
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from starlink.apiserver.policies.request import AdmissionRequest
from starlink.apiserver.resources import label_selector
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource

NamespaceLabels = Callable[[], Mapping[str, str]]


def matched(
    match: Mapping[str, Any] | None,
    request: AdmissionRequest,
    equivalents: Callable[[], Sequence[Resource]],
    namespace_labels: NamespaceLabels,
) -> Resource | None:
    """The resource at whose version the request is meant, None when it is not meant.

    `equivalents` gives the other versions of the request's resource; `namespace_labels` those of its namespace.
    """
    if match is None:
        return request.resource
    selects = _in_namespace(match, request, namespace_labels) and _object_selected(match, request)
    exact = match.get("matchPolicy") == "Exact"
    if not selects or _by_rules(match.get("excludeResourceRules") or (), request, equivalents, exact) is not None:
        return None
    rules = match.get("resourceRules") or ()
    return _by_rules(rules, request, equivalents, exact) if rules else request.resource


def _in_namespace(match: Mapping[str, Any], request: AdmissionRequest, labels: NamespaceLabels) -> bool:
    """What lies in no namespace is never left out."""
    selector = match.get("namespaceSelector")
    return not selector or not request.namespace or label_selector.selects(selector, labels())


def _object_selected(match: Mapping[str, Any], request: AdmissionRequest) -> bool:
    selector = match.get("objectSelector")
    objects = (obj for obj in (request.obj, request.old) if obj is not None)
    return not selector or any(label_selector.selects(selector, obj["metadata"].get("labels") or {}) for obj in objects)


def _by_rules(
    rules: Sequence[Obj], request: AdmissionRequest, equivalents: Callable[[], Sequence[Resource]], exact: bool
) -> Resource | None:
    if not rules:
        return None
    if any(_rule_means(rule, request, request.resource) for rule in rules):
        return request.resource
    others: Iterable[Resource] = () if exact else equivalents()
    return next((other for other in others if any(_rule_means(rule, request, other) for rule in rules)), None)


def _rule_means(rule: Obj, request: AdmissionRequest, resource: Resource) -> bool:
    names = rule.get("resourceNames")
    return (
        _has(rule.get("operations"), request.operation)
        and _has(rule.get("apiGroups"), resource.group)
        and _has(rule.get("apiVersions"), resource.version)
        and any(_names(text, resource.plural, request.subresource) for text in rule.get("resources") or ())
        and _in_scope(rule.get("scope"), request)
        and (not names or request.name in names)
    )


def _has(items: Sequence[str] | None, wanted: str) -> bool:
    return items is not None and (wanted in items or "*" in items)


def _names(text: str, plural: str, subresource: str) -> bool:
    """`*` names all resources but no subresources; `*/*` names both."""
    name, _, sub = text.partition("/")
    return name in ("*", plural) and sub in ("*", subresource)


def _in_scope(scope: str | None, request: AdmissionRequest) -> bool:
    if scope in (None, "", "*"):
        return True
    namespaced = bool(request.namespace) and not request.is_namespace
    return namespaced is (scope == "Namespaced")
