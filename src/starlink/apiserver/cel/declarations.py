"""Shapes declared to cel-expr-python, whose object types are protobuf messages. Pure.

A field can't hold lists of lists, of maps, or maps of these: there, the inner ones are dynamic. An object of more
fields than a message can have is dynamic as a whole.
"""

from typing import Any

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

from starlink.apiserver.cel import library
from starlink.apiserver.cel.escaping import escape
from starlink.apiserver.cel.opaque import BOOL, DOUBLE, INT, STRING, Overload, free
from starlink.apiserver.cel.shapes import DYN, Shape

_Field = descriptor_pb2.FieldDescriptorProto
_Type = cel.Type
_SCALARS = {
    "int": (_Field.TYPE_INT64, _Type.INT), "double": (_Field.TYPE_DOUBLE, _Type.DOUBLE),
    "string": (_Field.TYPE_STRING, _Type.STRING), "bool": (_Field.TYPE_BOOL, _Type.BOOL),
    "bytes": (_Field.TYPE_BYTES, _Type.BYTES),
}  # fmt: skip
_MESSAGES = {
    "dyn": (".google.protobuf.Value", _Type.DYN), "timestamp": (".google.protobuf.Timestamp", _Type.TIMESTAMP),
    "duration": (".google.protobuf.Duration", _Type.DURATION),
}  # fmt: skip
_WELL_KNOWN = (struct_pb2, timestamp_pb2, duration_pb2)
_FILE, _ROOT = "self.proto", "selfType"
_LONGEST_NAME = 1000


def _never(_one: Any, _other: Any) -> bool:
    raise ValueError("declared for the checker alone")


COMPARISONS: tuple[Overload, ...] = tuple(
    free(operator, BOOL, pair, _never)
    for operator in ("_<_", "_<=_", "_>_", "_>=_")
    for pair in ((INT, DOUBLE), (DOUBLE, INT))
)
"""Numbers of different types can be ordered: Kubernetes turns that on, cel-expr-python can't."""


def environment(shape: Shape) -> Any:
    """An environment that checks rules whose `self` and `oldSelf` are of that shape. It can't evaluate them."""
    messages = _Messages()
    kind = messages.declare(shape, _ROOT)
    try:
        return library.environment({"self": kind, "oldSelf": kind}, COMPARISONS, messages.pool())
    except TypeError:  # protobuf's own bounds
        return library.environment({"self": _Type.DYN, "oldSelf": _Type.DYN}, COMPARISONS)


class _Messages:
    """The messages of one shape, each of a name of its own."""

    def __init__(self) -> None:
        self._file = descriptor_pb2.FileDescriptorProto(name=_FILE)
        self._file.dependency.extend(module.DESCRIPTOR.name for module in _WELL_KNOWN)

    def pool(self) -> Any:
        """What resolves the messages."""
        pool = descriptor_pool.DescriptorPool()
        for module in _WELL_KNOWN:
            pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        pool.AddSerializedFile(self._file.SerializeToString())
        pool.FindFileByName(_FILE)
        return pool

    def declare(self, shape: Shape, name: str) -> Any:
        """The CEL type of a shape, of whose objects messages are added."""
        if shape.kind in _SCALARS:
            return _SCALARS[shape.kind][1]
        if shape.kind in _MESSAGES:
            return _MESSAGES[shape.kind][1]
        if shape.kind == "object":
            return _Type(self._add(shape, name))
        element = self.declare(shape.element or DYN, name)
        return _Type.List(element) if shape.kind == "list" else _Type.Map(STRING, element)

    def _add(self, shape: Shape, wanted: str) -> str:
        """Adds the message of an object, under the name wanted or, where that is taken, another."""
        taken = {message.name for message in self._file.message_type}
        name = wanted if wanted not in taken and len(wanted) < _LONGEST_NAME else f"{_ROOT}{len(taken)}"
        message = self._file.message_type.add(name=name)
        message.options.deprecated_legacy_json_field_conflicts = True
        named = ((escape(field) or field, part) for field, part in shape.fields.items())
        fields = {field: part for field, part in named if len(field) < _LONGEST_NAME}
        for field, part in fields.items():
            entry = _entry_name(field)
            taken = {*fields, *(nested.name for nested in message.nested_type)}
            self._add_field(message, field, DYN if part.kind == "map" and entry in taken else part)
        return name

    def _add_field(self, message: Any, name: str, shape: Shape) -> None:
        label = _Field.LABEL_REPEATED if shape.kind in ("list", "map") else _Field.LABEL_OPTIONAL
        inner = (shape.element or DYN) if shape.kind in ("list", "map") else shape
        kind, type_name = self._field_type(inner, f"{message.name}_{name}")
        if shape.kind == "map":
            entry = message.nested_type.add(name=_entry_name(name))
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
            entry.field.add(name="value", number=2, type=kind, type_name=type_name, label=_Field.LABEL_OPTIONAL)
            kind, type_name = _Field.TYPE_MESSAGE, f".{message.name}.{entry.name}"
        message.field.add(name=name, number=len(message.field) + 1, type=kind, type_name=type_name, label=label)

    def _field_type(self, shape: Shape, name: str) -> tuple[Any, str | None]:
        if shape.kind in _SCALARS:
            return _SCALARS[shape.kind][0], None
        if shape.kind == "object":
            return _Field.TYPE_MESSAGE, f".{self._add(shape, name)}"
        return _Field.TYPE_MESSAGE, _MESSAGES.get(shape.kind, _MESSAGES["dyn"])[0]


def _entry_name(field: str) -> str:
    """The only name that protobuf takes for the entries of a map field."""
    return "".join(part[:1].upper() + part[1:] for part in field.split("_")) + "Entry"
