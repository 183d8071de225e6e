"""The default ClusterRoles and ClusterRoleBindings, and what is to be written so that they hold. Pure but for reading
`roles.yaml`.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starlink.apiserver.security.authorization.rbac import GROUP, Obj, aggregated, covers, rules_of
from starlink.data_files import load

AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_FILE = Path(__file__).with_name("roles.yaml")


def defaults() -> tuple[Obj, ...]:
    """The default objects, roles before bindings."""
    data = load(_FILE)
    roles = tuple(_cluster_role(entry) for entry in data["clusterRoles"])
    return roles + tuple(_cluster_role_binding(entry) for entry in data["clusterRoleBindings"])


def _cluster_role(entry: Obj) -> Obj:
    role = _object("ClusterRole", entry)
    if "aggregates" in entry:
        role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {entry["aggregates"]: "true"}}]}
    else:
        role["rules"] = entry["rules"]
    return role


def _cluster_role_binding(entry: Obj) -> Obj:
    named = [("Group", name) for name in entry.get("groups", ())] + [("User", name) for name in entry.get("users", ())]
    binding = _object("ClusterRoleBinding", entry)
    binding["subjects"] = [{"kind": kind, "apiGroup": GROUP, "name": name} for kind, name in named]
    binding["roleRef"] = {"apiGroup": GROUP, "kind": "ClusterRole", "name": entry["name"]}
    return binding


def _object(kind: str, entry: Obj) -> Obj:
    metadata = {
        "name": entry["name"],
        "labels": {**_LABELS, **entry.get("labels", {})},
        "annotations": {AUTO_UPDATE: "true"},
    }
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}


def reconciled(existing: Obj | None, wanted: Obj) -> Obj | None:
    """What is to be written so that `existing` holds at least what `wanted` does; None when nothing is.

    Missing rules, selectors, subjects, labels and annotations are added, extra ones are left. An object whose
    autoupdate annotation is "false" is left alone. A binding to another role is to be replaced: then `wanted`
    itself is given, which has no uid.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation
    """
    if existing is None:
        return wanted
    if (existing["metadata"].get("annotations") or {}).get(AUTO_UPDATE) == "false":
        return None
    if existing.get("roleRef") != wanted.get("roleRef"):
        return wanted
    changed = _with_subjects(existing, wanted) if "roleRef" in wanted else _with_rules(existing, wanted)
    changed["metadata"] = _with_metadata(existing["metadata"], wanted["metadata"])
    return None if changed == existing else changed


def _with_metadata(existing: Obj, wanted: Obj) -> Obj:
    merged = {field: {**wanted[field], **(existing.get(field) or {})} for field in ("labels", "annotations")}
    return {**existing, **merged}


def _with_subjects(existing: Obj, wanted: Obj) -> Obj:
    return {**existing, "subjects": _added(existing.get("subjects"), wanted["subjects"])}


def _with_rules(existing: Obj, wanted: Obj) -> Obj:
    changed = dict(existing)
    before, after = existing.get("aggregationRule"), wanted.get("aggregationRule")
    if before is None or after is None:  # else they are gathered
        missing = covers(rules_of(existing), rules_of(wanted))
        if missing:
            changed["rules"] = [*(existing.get("rules") or ()), *(rule.as_dict() for rule in missing)]
    if after is None:
        changed.pop("aggregationRule", None)
    else:
        selectors = _added((before or {}).get("clusterRoleSelectors"), after["clusterRoleSelectors"])
        changed["aggregationRule"] = {**(before or {}), "clusterRoleSelectors": selectors}
    return changed


def _added(existing: list[Any] | None, wanted: list[Any]) -> list[Any]:
    known = existing or []
    return [*known, *(item for item in wanted if item not in known)]


def regathered(cluster_roles: Iterable[Obj]) -> list[Obj]:
    """The ClusterRoles with an aggregationRule whose rules are not those that it gathers, with these rules."""
    everything = list(cluster_roles)
    changed = []
    for role in everything:
        if role.get("aggregationRule") is not None:
            rules = aggregated(role, everything)
            if rules != (role.get("rules") or []):
                changed.append({**role, "rules": rules})
    return changed
