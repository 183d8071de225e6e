"""A structural schema as a tree, and what is done along it: prune, default, find unknown fields.

Rules: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
Pure but for what `repeats` remembers; values are never changed, and copied but for parts that are known to fit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import msgspec

from starlink.apiserver.schema import causes, meta
from starlink.apiserver.schema.repeats import Repeats

_ABSENT: Any = object()
_Obj = dict[str, Any]
_NOTHING: _Obj = {}


@dataclass(frozen=True, slots=True)
class Node:
    """One place of the schema. `keys` are the map keys of a list of type map; `repeats` knows the parts that lay here
    before, where the place is one whose parts are looked for."""

    properties: Mapping[str, "Node"] = field(default_factory=dict)
    additional: "Node | None" = None
    items: "Node | None" = None
    preserve: bool = False
    nullable: bool = False
    default: Any = _ABSENT
    null_is_empty: bool = False  # whether null stands for an empty text here
    list_type: str = "atomic"
    keys: tuple[str, ...] = ()
    atomic_map: bool = False
    defaults: tuple[tuple[str, "Node"], ...] = ()  # the properties that have one
    keyed: bool = False  # whether a list map or set lies here or below
    schema: Mapping[str, Any] = field(default_factory=dict)
    embedded: bool = False  # whether an object of Kubernetes lies here
    embeds: bool = False  # whether one lies here or below
    deep: bool = False  # whether objects or lists lie below
    read_as: type | None = None  # what Python reads a value of its one type into
    repeats: Repeats | None = None

    @property
    def has_default(self) -> bool:
        return self.default is not _ABSENT

    @property
    def is_structure(self) -> bool:
        """Whether an object lies here that holds more than plain values."""
        return self.deep and bool(self.properties)


def build(schema: Mapping[str, Any], *, root: bool = False) -> Node:
    """The tree of an OpenAPI v3 schema; at the root metadata is what every object has. Places whose schema is one and
    the same object share a node."""
    return _build(schema, {}, root=root)


def _build(schema: Mapping[str, Any], made: dict[int, Node], *, root: bool = False) -> Node:
    known = made.get(id(schema))
    if known is None:
        known = made[id(schema)] = _node(schema, made, root=root)
    return known


def _node(schema: Mapping[str, Any], made: dict[int, Node], *, root: bool) -> Node:
    properties = {name: _build(part, made) for name, part in (schema.get("properties") or {}).items()}
    if root or schema.get("x-kubernetes-embedded-resource"):
        properties.setdefault("apiVersion", Node())
        properties.setdefault("kind", Node())
        properties["metadata"] = metadata()
    additional = _additional(schema.get("additionalProperties"), made, built_in="x-protobuf" in schema)
    items = _build(schema["items"], made) if schema.get("items") else None
    list_type = schema.get("x-kubernetes-list-type", "atomic")
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    below = [*properties.values(), *(node for node in (additional, items) if node is not None)]
    return Node(
        properties,
        additional,
        items,
        preserve=bool(schema.get("x-kubernetes-preserve-unknown-fields")),
        nullable=bool(schema.get("nullable")),
        default=schema.get("default", _ABSENT),
        list_type=list_type,
        keys=tuple(schema.get("x-kubernetes-list-map-keys", ())),
        atomic_map=schema.get("x-kubernetes-map-type") == "atomic",
        defaults=tuple((name, node) for name, node in properties.items() if node.has_default),
        keyed=list_type != "atomic" or any(node.keyed for node in below),
        schema=schema,
        embedded=embedded,
        embeds=embedded or any(node.embeds for node in below),
        deep=any(node.properties or node.additional or node.items for node in below),
        read_as=_TYPES.get(schema.get("type", "")),
    )


_TYPES = {"string": str, "boolean": bool, "integer": int, "number": float, "object": dict, "array": list}


def remembering(root: Node) -> Node:
    """The tree of a kind, in which the objects right below `spec` and the like are looked for in others: an object's
    parts seldom are the same, but for what many objects are made of."""
    sections = {name: part if name == "metadata" else _remembering(part) for name, part in root.properties.items()}
    return replace(root, properties=sections)


def _remembering(section: Node) -> Node:
    parts = {name: _repeating(part) for name, part in section.properties.items()}
    return replace(section, properties=parts)


def _repeating(part: Node) -> Node:
    return replace(part, repeats=Repeats()) if part.is_structure else part


def _additional(schema: Any, made: dict[int, Node], *, built_in: bool) -> Node | None:
    """`built_in`: of a kind that the real server reads into Go's types, where null in a map of text is empty text."""
    if isinstance(schema, dict):
        node = _build(schema, made)
        return replace(node, null_is_empty=True) if built_in and schema.get("type") == "string" else node
    return Node(preserve=True) if schema else None


@cache
def metadata() -> Node:
    """The tree of ObjectMeta, in whose lists an entry may come twice."""
    return replace(build(meta.part("ObjectMeta")), keyed=False)


def child(node: Node, name: str) -> Node | None:
    """The node of a field; None for an unknown one."""
    return node.properties.get(name) or node.additional


def path_of_child(node: Node, path: str, name: str) -> str:
    """The path of a field of what lies at `path`: `spec.ports`, or `spec.labels[app]` by additionalProperties."""
    return causes.child(path, name) if name in node.properties else causes.entry(path, name)


_BARE = Node()
"""Of what lies in a list where there should be none: it has no fields."""


def conform(node: Node, value: Any, *, defaults: bool, unknown: list[str], old: Any = None) -> Any:
    """A copy without unknown fields, whose names are added to `unknown`; with `defaults`, a null that may not be null
    goes and what is absent is filled in. Parts that are `old`'s very own fit already."""
    if type(value) is dict:
        if node.repeats is not None and defaults:
            return _conform_repeated(node.repeats, node, value, unknown, old)
        return _conform_object(node, value, defaults, unknown, old)
    if type(value) is list and (node.items is not None or not node.preserve):
        items = node.items or _BARE
        return [
            conform(items, part, defaults=defaults, unknown=unknown) if type(part) in (dict, list) else part
            for part in value
        ]
    return value


def _conform_repeated(repeats: Repeats, node: Node, value: _Obj, unknown: list[str], old: Any) -> _Obj:
    if repeats.of(value) is not None:
        return value
    key, known = repeats.recalled(value)
    if known is not None:
        return known
    before = len(unknown)
    fitting = _conform_object(node, value, True, unknown, old)
    if len(unknown) == before:
        repeats.remember(key, value, fitting)
    return fitting


def _conform_object(node: Node, value: _Obj, defaults: bool, unknown: list[str], old: Any) -> _Obj:
    properties, additional = node.properties, node.additional
    before = old if type(old) is dict else _NOTHING
    kept: dict[str, Any] = {}
    for name, part in value.items():
        below = properties.get(name) or additional
        if below is None:
            if node.preserve:
                kept[name] = part
            else:
                unknown.append(name)
        elif type(part) is dict or type(part) is list:
            was = before.get(name)
            kept[name] = part if part is was else conform(below, part, defaults=defaults, unknown=unknown, old=was)
        elif part is not None:
            kept[name] = part
        elif below.null_is_empty:
            kept[name] = ""
        elif below.nullable or not defaults:
            kept[name] = None
    if defaults:
        for name, below in node.defaults:
            if name not in kept:
                default = msgspec.to_builtins(below.default)
                kept[name] = conform(below, default, defaults=True, unknown=unknown)
    return kept


def misplaced_nulls(node: Node, value: Any, path: str = "") -> Iterator[tuple[str, Node]]:
    """The places that hold null, may not, and have no default in its stead; at the root without metadata."""
    if isinstance(value, dict):
        for name, part in value.items():
            below = child(node, name)
            if below is None or (not path and name == "metadata"):
                continue
            here = path_of_child(node, path, name)
            if part is None and not below.nullable and not below.has_default and below.schema:
                yield here, below
            elif isinstance(part, dict | list):
                yield from misplaced_nulls(below, part, here)
    elif isinstance(value, list) and node.items is not None:
        for index, part in enumerate(value):
            yield from misplaced_nulls(node.items, part, f"{path}[{index}]")


def unknown_paths(node: Node, value: Any, path: str = "", old: Any = None) -> Iterator[str]:
    """Paths of unknown fields, in the order of the object; `old` as for `conform`."""
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else _NOTHING
        for name, part in value.items():
            below = child(node, name)
            if below is not None:
                was = before.get(name)
                if part is not was and isinstance(part, dict | list):
                    yield from unknown_paths(below, part, causes.child(path, name), was)
            elif not node.preserve:
                yield causes.child(path, name)
    elif isinstance(value, list) and not node.preserve:
        for index, part in enumerate(value):
            yield from unknown_paths(node.items or _BARE, part, f"{path}[{index}]")
