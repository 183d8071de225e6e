"""A CustomResourceDefinition as the resources that it adds. Pure."""

from typing import Any

from starlink.apiserver import cel, errors
from starlink.apiserver.errors import Cause
from starlink.apiserver.resource import Column, Resource, Scale
from starlink.apiserver.schema import compiled

Obj = dict[str, Any]


def validate(crd: Obj) -> list[Cause]:
    """Why the CRD is refused."""
    spec = crd.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("names"), dict) or not spec.get("versions"):
        return [Cause("FieldValueRequired", "Required value: group, names, scope and versions", "spec")]
    causes = _check_names(crd, spec)
    stored = [v for v in spec["versions"] if v.get("storage")]
    if len(stored) != 1:
        causes.append(
            Cause(
                "FieldValueInvalid",
                "Invalid value: exactly one version must be the storage version",
                "spec.versions",
            )
        )
    for index, version in enumerate(spec["versions"]):
        causes += _check_schema(version, f"spec.versions[{index}].schema.openAPIV3Schema")
    return causes


def _check_names(crd: Obj, spec: Obj) -> list[Cause]:
    names = spec["names"]
    right = f"{names.get('plural')}.{spec.get('group')}"
    name = (crd.get("metadata") or {}).get("name")
    causes = []
    if name != right:
        causes.append(
            Cause(
                "FieldValueInvalid",
                f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group, {right}',
                "metadata.name",
            )
        )
    for field in ("plural", "kind"):
        if not isinstance(names.get(field), str) or not names[field]:
            causes.append(Cause("FieldValueRequired", "Required value", f"spec.names.{field}"))
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        why = f'Unsupported value: "{spec.get("scope")}": supported values: "Cluster", "Namespaced"'
        causes.append(Cause("FieldValueNotSupported", why, "spec.scope"))
    return causes


def _check_schema(version: Obj, path: str) -> list[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if not isinstance(schema, dict):
        return [Cause("FieldValueRequired", "Required value: schemas are required", path)]
    try:
        compiled(schema)
    except (cel.BadRule, ValueError) as error:
        return [Cause("FieldValueInvalid", f"Invalid value: {error}", path)]
    return []


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
    )


def _column(column: Obj) -> Column:
    return Column(
        column["name"],
        column["type"],
        column["jsonPath"],
        column.get("description", ""),
        column.get("format", ""),
        column.get("priority", 0),
    )
