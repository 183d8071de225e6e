"""What holds of roles and bindings beyond their schema, and what is filled in. Pure.

Source: https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/
"""

from collections.abc import Iterator
from typing import Any

from starlink.api.errors import Cause, quoted
from starlink.apiserver.schema.causes import invalid
from starlink.apiserver.schema.formats import path_segment_faults, subdomain_faults
from starlink.apiserver.security.authorization.rbac import GROUP

Obj = dict[str, Any]

_SUBJECT_GROUPS = {"User": GROUP, "Group": GROUP, "ServiceAccount": ""}


def prepare_binding(obj: Obj, _old: Obj | None) -> None:
    """Fills in the API group of users and groups."""
    subjects = obj.get("subjects")
    for subject in subjects if isinstance(subjects, list) else ():  # its types are checked later
        kind = subject.get("kind") if isinstance(subject, dict) else None
        group = _SUBJECT_GROUPS.get(kind) if isinstance(kind, str) else None
        if group and not subject.get("apiGroup"):
            subject["apiGroup"] = group


def check_role(obj: Obj, _old: Obj | None) -> Iterator[Cause]:
    """Why a Role is refused."""
    for place, rule in enumerate(obj.get("rules") or ()):
        yield from _rule_causes(rule, f"rules[{place}]", namespaced=True)


def check_cluster_role(obj: Obj, _old: Obj | None) -> Iterator[Cause]:
    """Why a ClusterRole is refused."""
    for place, rule in enumerate(obj.get("rules") or ()):
        yield from _rule_causes(rule, f"rules[{place}]", namespaced=False)


def _rule_causes(rule: Obj, field: str, *, namespaced: bool) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield _required(f"{field}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs") or []
    if urls:
        if namespaced:
            yield _invalid(f"{field}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield _invalid(f"{field}.nonResourceURLs", urls, why)
        return
    if not rule.get("apiGroups"):
        yield _required(f"{field}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield _required(f"{field}.resources", "resource rules must supply at least one resource")


def check_role_binding(obj: Obj, _old: Obj | None) -> Iterator[Cause]:
    """Why a RoleBinding is refused."""
    yield from _role_causes(obj["roleRef"])
    for place, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject_causes(subject, f"subjects[{place}]", namespaced=True)


def check_cluster_role_binding(obj: Obj, _old: Obj | None) -> Iterator[Cause]:
    """Why a ClusterRoleBinding is refused."""
    kind = obj["roleRef"].get("kind")
    if kind != "ClusterRole":
        yield _unsupported("roleRef.kind", kind, "ClusterRole")
    yield from _role_causes(obj["roleRef"])
    for place, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject_causes(subject, f"subjects[{place}]", namespaced=False)


def _role_causes(role: Obj) -> Iterator[Cause]:
    name = role.get("name") or ""
    return (invalid("roleRef.name", name, why) for why in path_segment_faults(name)) if name else iter(())


def _subject_causes(subject: Obj, field: str, *, namespaced: bool) -> Iterator[Cause]:
    """`namespaced`: of a binding in a namespace, to which a ServiceAccount belongs that names none."""
    kind, group = subject.get("kind"), subject.get("apiGroup") or ""
    wanted = _SUBJECT_GROUPS.get(kind or "")
    if wanted is not None and group != wanted:
        yield _unsupported(f"{field}.apiGroup", group, wanted)
    if kind != "ServiceAccount":
        return
    if not subject.get("namespace") and not namespaced:
        yield _required(f"{field}.namespace", "")
    if name := subject.get("name") or "":
        yield from (invalid(f"{field}.name", name, why) for why in subdomain_faults(name))


def _required(field: str, why: str) -> Cause:
    return Cause("FieldValueRequired", f"Required value: {why}" if why else "Required value", field)


def _invalid(field: str, values: list[str], why: str) -> Cause:
    listed = "[" + ",".join(map(quoted, values)) + "]"
    return Cause("FieldValueInvalid", f"Invalid value: {listed}: {why}", field)


def _unsupported(field: str, value: Any, wanted: str) -> Cause:
    why = f"Unsupported value: {quoted(str(value or ''))}: supported values: {quoted(wanted)}"
    return Cause("FieldValueNotSupported", why, field)
