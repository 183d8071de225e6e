"""A structural schema as a tree, and what is done along it: prune, default, find unknown fields.

Rules: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
Pure; values are copied, never changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from starlink.apiserver import kinds

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Node:
    """One place of the schema. `keys` are the map keys of a list of type map."""

    properties: Mapping[str, "Node"] = field(default_factory=dict)
    additional: "Node | None" = None
    items: "Node | None" = None
    preserve: bool = False
    nullable: bool = False
    default: Any = _ABSENT
    list_type: str = "atomic"
    keys: tuple[str, ...] = ()
    atomic_map: bool = False
    defaults: tuple[tuple[str, "Node"], ...] = ()  # the properties that have one
    keyed: bool = False  # whether a list map or set lies here or below
    schema: Mapping[str, Any] = field(default_factory=dict)
    embedded: bool = False  # whether an object of Kubernetes lies here
    embeds: bool = False  # whether one lies here or below

    @property
    def has_default(self) -> bool:
        return self.default is not _ABSENT


def build(schema: Mapping[str, Any], *, root: bool = False) -> Node:
    """The tree of an OpenAPI v3 schema; at the root metadata is what every object has."""
    properties = {name: build(part) for name, part in (schema.get("properties") or {}).items()}
    if root or schema.get("x-kubernetes-embedded-resource"):
        properties.setdefault("apiVersion", Node())
        properties.setdefault("kind", Node())
        properties["metadata"] = metadata()
    additional = _additional(schema.get("additionalProperties"))
    items = build(schema["items"]) if schema.get("items") else None
    list_type = schema.get("x-kubernetes-list-type", "atomic")
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    below = [*properties.values(), *(node for node in (additional, items) if node is not None)]
    return Node(
        properties,
        additional,
        items,
        bool(schema.get("x-kubernetes-preserve-unknown-fields")),
        bool(schema.get("nullable")),
        schema.get("default", _ABSENT),
        list_type,
        tuple(schema.get("x-kubernetes-list-map-keys", ())),
        schema.get("x-kubernetes-map-type") == "atomic",
        tuple((name, node) for name, node in properties.items() if node.has_default),
        list_type != "atomic" or any(node.keyed for node in below),
        schema,
        embedded,
        embedded or any(node.embeds for node in below),
    )


def _additional(schema: Any) -> Node | None:
    if isinstance(schema, dict):
        return build(schema)
    return Node(preserve=True) if schema else None


@cache
def metadata() -> Node:
    """The tree of ObjectMeta."""
    return build(kinds.part("ObjectMeta"))


def child(node: Node, name: str) -> Node | None:
    """The node of a field; None for an unknown one."""
    return node.properties.get(name) or node.additional


def path_of_child(node: Node, path: str, name: str) -> str:
    """The path of a field of what lies at `path`: `spec.ports`, or `spec.labels[app]` by additionalProperties."""
    if name in node.properties:
        return f"{path}.{name}" if path else name
    return f"{path}[{name}]"


def conform(node: Node, value: Any, *, defaults: bool, unknown: list[str]) -> Any:
    """A copy without unknown fields, whose names are added to `unknown`; with `defaults`, a null that may not be null
    goes and what is absent is filled in."""
    if type(value) is dict:
        return _conform_object(node, value, defaults, unknown)
    if type(value) is list and node.items is not None:
        items = node.items
        return [
            conform(items, part, defaults=defaults, unknown=unknown) if type(part) in (dict, list) else part
            for part in value
        ]
    return value


def _conform_object(node: Node, value: dict[str, Any], defaults: bool, unknown: list[str]) -> dict[str, Any]:
    properties, additional = node.properties, node.additional
    kept: dict[str, Any] = {}
    for name, part in value.items():
        below = properties.get(name) or additional
        if below is None:
            if node.preserve:
                kept[name] = part
            else:
                unknown.append(name)
        elif type(part) is dict or type(part) is list:
            kept[name] = conform(below, part, defaults=defaults, unknown=unknown)
        elif part is not None or below.nullable or not defaults:
            kept[name] = part
    if defaults:
        for name, below in node.defaults:
            if name not in kept:
                default = msgspec.to_builtins(below.default)
                kept[name] = conform(below, default, defaults=True, unknown=unknown)
    return kept


def unknown_paths(node: Node, value: Any, path: str = "") -> Iterator[str]:
    """Paths of unknown fields, in the order of the object."""
    if isinstance(value, dict):
        for name, part in value.items():
            here = f"{path}.{name}" if path else name
            below = child(node, name)
            if below is not None:
                yield from unknown_paths(below, part, here)
            elif not node.preserve:
                yield here
    elif isinstance(value, list) and node.items is not None:
        for index, part in enumerate(value):
            yield from unknown_paths(node.items, part, f"{path}[{index}]")
