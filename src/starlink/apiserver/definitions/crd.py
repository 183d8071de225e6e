"""A CustomResourceDefinition as the resources that it adds. Pure."""

from typing import Any

import msgspec

from starlink.api import errors
from starlink.apiserver.definitions import keywords
from starlink.apiserver.definitions.stored import StoredSchema
from starlink.apiserver.resources.resource import Column, Resource, Scale
from starlink.apiserver.schema.causes import invalid

Obj = dict[str, Any]


def fill_in(crd: Obj) -> None:
    """Puts the defaults into a CRD of any shape.

    https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apis/apiextensions/v1/defaults.go
    """
    spec = crd.get("spec")
    if not isinstance(spec, dict):
        return
    names = spec.get("names")
    if isinstance(names, dict) and isinstance(names.get("kind"), str):
        names["singular"] = names.get("singular") or names["kind"].lower()
        names["listKind"] = names.get("listKind") or f"{names['kind']}List"
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}


def blank_status(crd: Obj) -> Obj:
    """The status of a CRD of which nothing was found out, which had one."""
    spec = crd.get("spec")
    versions = spec.get("versions") if isinstance(spec, dict) else None
    stored = [
        version["name"]
        for version in (versions if isinstance(versions, list) else ())
        if isinstance(version, dict) and version.get("storage") is True and isinstance(version.get("name"), str)
    ]
    return {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}


def prune(crd: Obj, unknown: list[str]) -> None:
    """Takes unknown keywords out of the schemas of a CRD of any shape; their paths are added to `unknown`."""
    spec = crd.get("spec")
    versions = spec.get("versions") if isinstance(spec, dict) else None
    for index, version in enumerate(versions if isinstance(versions, list) else ()):
        schema = version.get("schema") if isinstance(version, dict) else None
        if isinstance(schema, dict) and "openAPIV3Schema" in schema:
            path = f"spec.versions[{index}].schema.openAPIV3Schema"
            schema["openAPIV3Schema"] = keywords.pruned(schema["openAPIV3Schema"], path, unknown)


class _Validation(msgspec.Struct):
    openapi: msgspec.Raw = msgspec.field(name="openAPIV3Schema")


class _Version(msgspec.Struct):
    name: str
    schema: _Validation


class _Spec(msgspec.Struct):
    versions: list[_Version]


class _Definition(msgspec.Struct):
    spec: _Spec


_schemas = msgspec.json.Decoder(_Definition)


def resources(body: bytes) -> list[Resource]:
    """What a stored CRD serves, a resource a served version. Raises StatusError 422 when it is none that can be."""
    crd = msgspec.json.decode(body)
    try:
        schemas = {version.name: version.schema.openapi for version in _schemas.decode(body).spec.versions}
        served = [version for version in crd["spec"]["versions"] if version.get("served")]
        return [_resource(crd["spec"], version, schemas[version["name"]]) for version in served]
    except (KeyError, TypeError, ValueError) as error:
        name = str((crd.get("metadata") or {}).get("name", ""))
        cause = invalid("spec.versions", "", f"error building validator: {error}")
        raise errors.invalid("apiextensions.k8s.io", "CustomResourceDefinition", name, (cause,)) from None


def _resource(spec: Obj, version: Obj, schema: msgspec.Raw) -> Resource:
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
        schema=StoredSchema(schema, f"{names['plural']}.{spec['group']}/{version['name']}"),
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
