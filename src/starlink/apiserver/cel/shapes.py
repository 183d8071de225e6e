"""The CEL types of the places of a structural schema. Pure.

https://github.com/kubernetes/apiserver/blob/master/pkg/cel/common/schemas.go, SchemaDeclType
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlink.apiserver.cel.escaping import escape
from starlink.apiserver.schema.structure import Node


@dataclass(frozen=True, slots=True)
class Shape:
    """A type: `list` and `map` are of `element`, `object` has `fields` by their own names; all else is a scalar."""

    kind: str
    element: "Shape | None" = None
    fields: Mapping[str, "Shape"] = field(default_factory=dict)


DYN = Shape("dyn")
_STRING = Shape("string")
_META = Shape("object", None, {"name": _STRING, "generateName": _STRING})
_FORMATS = {"byte": "bytes", "duration": "duration", "date": "timestamp", "date-time": "timestamp"}
_SCALARS = {"boolean": "bool", "number": "double", "integer": "int"}


def shape_of(node: Node, *, root: bool = False) -> Shape | None:
    """The type of a node as rules see it; None for a node that they don't see: it has no type, or its items have none.

    `root` says whether the node is an object of its own, as embedded objects are too.
    """
    schema = node.schema
    if schema.get("x-kubernetes-int-or-string"):
        return DYN
    match schema.get("type"):
        case "array":
            return _of_many("list", node.items)
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return _of_many("map", node.additional)
        case "object":
            return _object(node, root or node.embedded)
        case "string":
            return Shape(_FORMATS.get(schema.get("format", ""), "string"))
        case kind if kind in _SCALARS:
            return Shape(_SCALARS[kind])
    return None


def _of_many(kind: str, node: Node | None) -> Shape | None:
    element = shape_of(node) if node is not None else None
    return Shape(kind, element) if element is not None else None


def _object(node: Node, root: bool) -> Shape:
    fields = {}
    for name, part in node.properties.items():
        below = shape_of(part)
        if below is not None and escape(name) is not None:
            fields[name] = below
    if root:
        fields.update({"kind": _STRING, "apiVersion": _STRING, "metadata": _META})
    return Shape("object", None, fields)
