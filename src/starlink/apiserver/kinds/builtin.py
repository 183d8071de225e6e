"""The resources that are there without a CRD."""

from typing import Any

from starlink.apiserver import kinds
from starlink.apiserver.kinds.strategies import strategy
from starlink.apiserver.resources.resource import VERBS, Column, Resource
from starlink.apiserver.schema.meta import part
from starlink.apiserver.validation.compiled import StructuralSchema

_TYPE_META = {
    "apiVersion": {"type": "string", "description": "The version of the API."},
    "kind": {"type": "string", "description": "The kind of the object."},
}


def builtin_resources() -> tuple[Resource, ...]:
    """What `kinds/` describes, in the order of its files."""
    return tuple(_resource(group, kind) for group in kinds.groups() for kind in group["kinds"])


def _resource(group: dict[str, Any], kind: dict[str, Any]) -> Resource:
    subresources, stored_as = tuple(kind.get("subresources", ())), kind.get("storage", "")
    return Resource(
        group=group["group"],
        version=group["version"],
        plural=kind["plural"],
        singular=kind["kind"].lower(),
        kind=kind["kind"],
        namespaced=kind.get("namespaced", True),
        schema=StructuralSchema(_schema(kind["schema"]), twins=True),
        short_names=tuple(kind.get("shortNames", ())),
        categories=tuple(kind.get("categories", ())),
        columns=tuple(_column(*column) for column in kind["columns"]) if "columns" in kind else (),
        name_rule=kind.get("names", "subdomain"),
        name_column=kind.get("nameColumn", True),
        selectable_fields=tuple(kind.get("selectableFields", ())),
        status="status" in subresources,
        subresources=tuple(name for name in subresources if name != "status"),
        verbs=tuple(kind.get("verbs", VERBS)),
        generation=kind.get("generation", False),
        stored_as=stored_as,
        strategy=strategy(stored_as or f"{group['group']}/{kind['plural']}"),
    )


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    meta = {"metadata": {**part("ObjectMeta"), "x-protobuf": 1}}
    return {"type": "object", **schema, "properties": {**_TYPE_META, **meta, **schema.get("properties", {})}}


def _column(name: str, type_: str, path: str, priority: int = 0, format_: str = "") -> Column:
    return Column(name, type_, path, format=format_, priority=priority)
