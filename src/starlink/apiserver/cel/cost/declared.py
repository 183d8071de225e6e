"""The sizes that a structural schema allows its values. Pure.

https://github.com/kubernetes/apiserver/blob/release-1.32/pkg/cel/common/schemas.go, SchemaDeclType
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlink.apiserver.cel.escaping import escape
from starlink.apiserver.schema.structure import Node

MOST_BYTES = 3 * 1024 * 1024
"""Of a request, which bounds what a schema does not."""

_QUOTED = MOST_BYTES - 2  # without quotes or brackets
_OWN_LENGTH = {"duration": 32, "date": 12, "date-time": 32}
_SHORTEST = {"duration": 3, "date": 12, "date-time": 21}
_FORMATS = {"byte": "bytes", "duration": "duration", "date": "timestamp", "date-time": "timestamp"}


@dataclass(frozen=True, slots=True)
class Declared:
    """A type: what `Shape` knows of it, how large a value may be, and how few bytes of JSON it takes.

    `longest` is 0 for what has no length, objects with named fields among them, as the real server has it.
    """

    kind: str
    longest: int = 0
    fewest_bytes: int = 0
    element: "Declared | None" = None
    fields: Mapping[str, "Declared"] = field(default_factory=dict)


_KEY = Declared("string")  # the real server takes keys for empty
_STRING = Declared("string", _QUOTED, 2)
_META = Declared("object", 0, 2, None, {"name": _STRING, "generateName": _STRING})
_SCALARS = {"boolean": Declared("bool", 0, 4), "number": Declared("double", 0, 1), "integer": Declared("int", 0, 1)}


def declared(node: Node, *, root: bool = False) -> Declared | None:
    """What rules see at a place; None where they see nothing. `root` as for `shape_of`."""
    schema = node.schema
    if schema.get("x-kubernetes-int-or-string"):
        return Declared("dyn", _QUOTED, 1)
    match schema.get("type"):
        case "array":
            return _list(node)
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return _map(node)
        case "object":
            return _object(node, root or node.embedded)
        case "string":
            return _string(schema)
        case kind:
            return _SCALARS.get(kind or "")


def _list(node: Node) -> Declared | None:
    element = declared(node.items) if node.items is not None else None
    if element is None:
        return None
    return Declared("list", _given(node.schema, "maxItems", _QUOTED // (element.fewest_bytes + 1)), 2, element)


def _map(node: Node) -> Declared | None:
    element = declared(node.additional) if node.additional is not None else None
    if element is None:
        return None
    return Declared("map", _given(node.schema, "maxProperties", _QUOTED // (element.fewest_bytes + 6)), 2, element)


def _given(schema: Mapping[str, Any], keyword: str, otherwise: int) -> int:
    return otherwise if schema.get(keyword) is None else max(schema[keyword], 0)


def _object(node: Node, root: bool) -> Declared:
    parts = {name: declared(part) for name, part in node.properties.items()}
    if root:
        parts |= {"kind": _STRING, "apiVersion": _STRING, "metadata": _META}
    known = {name: part for name, part in parts.items() if part is not None}
    needed = [name for name in node.schema.get("required") or () if name in known and not _has_default(node, name)]
    fewest = 2 + sum(len(name.encode()) + known[name].fewest_bytes + 4 for name in dict.fromkeys(needed))
    escaped = {escape(name): part for name, part in known.items()}
    return Declared("object", 0, fewest, None, {name: part for name, part in escaped.items() if name is not None})


def _has_default(node: Node, name: str) -> bool:
    return name in node.properties and node.properties[name].has_default


def _string(schema: Mapping[str, Any]) -> Declared:
    form = schema.get("format") or ""
    if form in _OWN_LENGTH:
        return Declared(_FORMATS[form], _OWN_LENGTH[form], _SHORTEST[form])
    if form == "byte":
        return Declared("bytes", _given(schema, "maxLength", _QUOTED), 2)
    if schema.get("maxLength") is not None:
        return Declared("string", 4 * _given(schema, "maxLength", 0), 2)  # a character is up to four bytes
    texts = [len(value.encode()) for value in schema.get("enum") or () if isinstance(value, str)]
    return Declared("string", max(texts, default=0) if schema.get("enum") else _QUOTED, 2)


def found(root: Declared, path: tuple[str, ...]) -> Declared | None:
    """What lies below: by the name of a field, @items, @values or @keys."""
    here: Declared | None = root
    for name in path:
        if here is None:
            return None
        if name in ("@items", "@values"):
            here = here.element
        elif name == "@keys":
            here = _KEY if here.kind == "map" else None
        else:
            here = here.fields.get(name)
    return here
