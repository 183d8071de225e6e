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
    schema: Mapping[str, Any] = field(default_factory=dict)

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
    additional = schema.get("additionalProperties")
    items = schema.get("items")
    return Node(
        properties,
        build(additional) if isinstance(additional, dict) else Node(preserve=True) if additional else None,
        build(items) if items else None,
        bool(schema.get("x-kubernetes-preserve-unknown-fields")),
        bool(schema.get("nullable")),
        schema.get("default", _ABSENT),
        schema.get("x-kubernetes-list-type", "atomic"),
        tuple(schema.get("x-kubernetes-list-map-keys", ())),
        schema.get("x-kubernetes-map-type") == "atomic",
        schema,
    )


@cache
def metadata() -> Node:
    """The tree of ObjectMeta."""
    return build(kinds.part("ObjectMeta"))


def child(node: Node, name: str) -> Node | None:
    """The node of a field; None for an unknown one."""
    return node.properties.get(name) or node.additional


def prune(node: Node, value: Any) -> Any:
    """A copy without unknown fields."""
    if isinstance(value, dict):
        if node.preserve and not node.properties:
            return dict(value)
        pruned = {}
        for name, part in value.items():
            below = child(node, name)
            if below is not None:
                pruned[name] = prune(below, part)
            elif node.preserve:
                pruned[name] = part
        return pruned
    if isinstance(value, list) and node.items is not None:
        return [prune(node.items, part) for part in value]
    return value


def unknown(node: Node, value: Any, path: str = "") -> Iterator[str]:
    """Paths of unknown fields, in the order of the object."""
    if isinstance(value, dict):
        for name, part in value.items():
            here = f"{path}.{name}" if path else name
            below = child(node, name)
            if below is not None:
                yield from unknown(below, part, here)
            elif not node.preserve:
                yield here
    elif isinstance(value, list) and node.items is not None:
        for index, part in enumerate(value):
            yield from unknown(node.items, part, f"{path}[{index}]")


def fill(node: Node, value: Any) -> Any:
    """A copy with defaults filled in; a null that may not be null gives way to the default."""
    if isinstance(value, dict):
        filled = {}
        for name, part in value.items():
            below = child(node, name)
            if part is None and below is not None and not below.nullable:
                continue
            filled[name] = part if below is None else fill(below, part)
        for name, below in node.properties.items():
            if name not in filled and below.default is not _ABSENT:
                filled[name] = fill(below, msgspec.to_builtins(below.default))
        return filled
    if isinstance(value, list) and node.items is not None:
        return [fill(node.items, part) for part in value]
    return value
