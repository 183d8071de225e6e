"""A CustomResourceDefinition as the resources that it adds. Pure."""

from typing import Any

from starlink.apiserver import cel, errors, structural
from starlink.apiserver.errors import Cause
from starlink.apiserver.metadata import is_label, is_subdomain
from starlink.apiserver.resource import Column, Resource, Scale
from starlink.apiserver.schema import compiled

Obj = dict[str, Any]


def validate(crd: Obj) -> list[Cause]:
    """Why the CRD, which fits the schema of its kind, is refused."""
    spec = crd["spec"]
    causes = _check_names(crd, spec)
    if sum(version["storage"] for version in spec["versions"]) != 1:
        causes.append(_invalid("spec.versions", "must have exactly one version marked as storage version"))
    names = [version["name"] for version in spec["versions"]]
    for index, version in enumerate(spec["versions"]):
        path = f"spec.versions[{index}]"
        if not is_label(version["name"]) or names.count(version["name"]) > 1:
            causes.append(_invalid(f"{path}.name", f'"{version["name"]}": must be a unique DNS-1035 label'))
        causes += _check_schema(version, f"{path}.schema.openAPIV3Schema")
    return causes


def validate_change(crd: Obj, old: Obj) -> list[Cause]:
    """Why a CRD may not become this: what is stored must stay readable."""
    causes = []
    spec, before = crd["spec"], old["spec"]
    for field in ("group", "scope"):
        if spec[field] != before[field]:
            causes.append(_invalid(f"spec.{field}", f'"{spec[field]}": field is immutable'))
    for field in ("plural", "kind"):
        if spec["names"][field] != before["names"][field]:
            causes.append(_invalid(f"spec.names.{field}", f'"{spec["names"][field]}": field is immutable'))
    names = {version["name"] for version in spec["versions"]}
    for index, stored in enumerate((crd.get("status") or {}).get("storedVersions") or ()):
        if stored not in names:
            why = (
                f'"{stored}": must appear in spec.versions: objects may be stored at it; write each of them once, then '
                "take it out of status.storedVersions, then out of spec.versions"
            )
            causes.append(_invalid(f"status.storedVersions[{index}]", why))
    return causes


def _check_names(crd: Obj, spec: Obj) -> list[Cause]:
    names = spec["names"]
    right = f"{names['plural']}.{spec['group']}"
    name = crd["metadata"].get("name")
    causes = []
    if name != right:
        causes.append(_invalid("metadata.name", f'"{name}": must be spec.names.plural+"."+spec.group, {right}'))
    if not is_subdomain(spec["group"]) or "." not in spec["group"]:
        causes.append(_invalid("spec.group", f'"{spec["group"]}": should be a domain with at least one dot'))
    if not is_label(names["plural"]):
        causes.append(_invalid("spec.names.plural", f'"{names["plural"]}": must be a DNS-1035 label'))
    if not is_label(names["kind"].lower()):
        causes.append(_invalid("spec.names.kind", f'"{names["kind"]}": may have mixed case, but should otherwise match '
                               "a DNS-1035 label"))  # fmt: skip
    return causes


def _check_schema(version: Obj, path: str) -> list[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if not isinstance(schema, dict):
        return [Cause("FieldValueRequired", "Required value: schemas are required", path)]
    causes = structural.check(schema, path)
    if causes:
        return causes
    try:
        compiled(schema)
    except (cel.BadRule, ValueError) as error:
        return [_invalid(path, str(error))]
    return []


def _invalid(field: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {why}", field)


def resources(crd: Obj) -> list[Resource]:
    """What the CRD serves, a resource a served version. Raises StatusError 422."""
    causes = validate(crd)
    if causes:
        name = str((crd.get("metadata") or {}).get("name", ""))
        raise errors.invalid("apiextensions.k8s.io", "CustomResourceDefinition", name, tuple(causes))
    return [_resource(crd["spec"], version) for version in crd["spec"]["versions"] if version.get("served")]


def _resource(spec: Obj, version: Obj) -> Resource:
    names, subresources = spec["names"], version.get("subresources") or {}
    scale = subresources.get("scale")
    stored = next(v["name"] for v in spec["versions"] if v["storage"])
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        schema=compiled(version["schema"]["openAPIV3Schema"]),
        list_kind=names.get("listKind") or f"{names['kind']}List",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        columns=tuple(_column(column) for column in version.get("additionalPrinterColumns") or ()),
        selectable_fields=tuple(field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or ()),
        status="status" in subresources,
        scale=Scale(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath", ""))
        if scale
        else None,
        custom=True,
        stored_version="" if version["storage"] else f"{spec['group']}/{stored}",
        warning=_deprecation(spec, version),
    )


def _deprecation(spec: Obj, version: Obj) -> str:
    if not version.get("deprecated"):
        return ""
    usual = f"{spec['group']}/{version['name']} {spec['names']['kind']} is deprecated"
    return version.get("deprecationWarning") or usual


def _column(column: Obj) -> Column:
    return Column(
        column["name"],
        column["type"],
        column["jsonPath"],
        column.get("description", ""),
        column.get("format", ""),
        column.get("priority", 0),
    )
