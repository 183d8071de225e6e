"""A checked expression as a tree, read from what cel-expr-python serializes. Pure.

https://github.com/google/cel-spec/tree/master/proto/cel/expr, checked.proto and syntax.proto. Read here and not by
google.protobuf, which takes 5 MB.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlink.apiserver.protobuf_wire import fields

ACCUMULATOR = "@result"
"""The name of what a macro's loop collects."""


@dataclass(frozen=True, slots=True)
class Type:
    """`kind` is a name of CEL's own; `parts` are the element's of a list, the key's and the value's of a map."""

    kind: str
    parts: tuple["Type", ...] = ()


DYN = Type("dyn")


@dataclass(frozen=True, slots=True)
class Expression:
    """A part of the tree."""

    id: int
    type: Type = DYN


@dataclass(frozen=True, slots=True)
class Constant(Expression):
    value: Any = None


@dataclass(frozen=True, slots=True)
class Identifier(Expression):
    name: str = ""


@dataclass(frozen=True, slots=True)
class Select(Expression):
    """`holder.field`, or `has(holder.field)`."""

    holder: Expression = field(kw_only=True)
    field: str = ""
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """`overloads` are the ids of those that it may come to."""

    function: str = ""
    target: Expression | None = None
    arguments: tuple[Expression, ...] = ()
    overloads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Items(Expression):
    """A list that the expression spells out."""

    items: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Entries(Expression):
    """A map that the expression spells out. Of an object that it spells out, each key is None."""

    entries: tuple[tuple[Expression | None, Expression], ...] = ()
    is_map: bool = True


@dataclass(frozen=True, slots=True)
class Loop(Expression):
    """What a macro stands for: `start`, then `step` for each of `over` while `going`, then `result`. A binding is one
    over nothing."""

    variable: str = ""
    second: str = ""
    accumulator: str = ""
    over: Expression = field(kw_only=True)
    start: Expression = field(kw_only=True)
    going: Expression = field(kw_only=True)
    step: Expression = field(kw_only=True)
    result: Expression = field(kw_only=True)


def read(expression: Any) -> Expression:
    """The tree of a compiled expression."""
    checked = _Message(_Message(expression.serialize()).bytes(2))
    references = {entry.integer(1): _Message(entry.bytes(2)) for entry in checked.messages(2)}
    types = {entry.integer(1): _type(_Message(entry.bytes(2))) for entry in checked.messages(3)}
    return _Reader(references, types).expression(checked.message(4))


class _Message:
    """A message whose fields are asked for by their numbers."""

    def __init__(self, data: bytes) -> None:
        self.held: list[tuple[int, Any]] = list(fields(data))

    def all(self, number: int) -> list[Any]:
        return [value for found, value in self.held if found == number]

    def has(self, number: int) -> bool:
        return any(found == number for found, _ in self.held)

    def bytes(self, number: int) -> bytes:
        return next(iter(self.all(number)), b"")

    def text(self, number: int) -> str:
        return self.bytes(number).decode()

    def integer(self, number: int) -> int:
        return next(iter(self.all(number)), 0)

    def message(self, number: int) -> "_Message":
        return _Message(self.bytes(number))

    def messages(self, number: int) -> list["_Message"]:
        return [_Message(data) for data in self.all(number)]


_PRIMITIVES = ("unspecified", "bool", "int", "uint", "double", "string", "bytes")
_WELL_KNOWN = ("unspecified", "any", "timestamp", "duration")
_NAMED = {2: "null", 8: "function", 9: "message", 10: "parameter", 11: "type", 12: "error", 14: "opaque"}


def _type(message: _Message) -> Type:
    if message.has(3) or message.has(4):
        return Type(_PRIMITIVES[message.integer(3) or message.integer(4)])
    if message.has(5):
        return Type(_WELL_KNOWN[message.integer(5)])
    if message.has(6):
        return Type("list", (_type(message.message(6).message(1)),))
    if message.has(7):
        entry = message.message(7)
        return Type("map", (_type(entry.message(1)), _type(entry.message(2))))
    return next((Type(kind) for number, kind in _NAMED.items() if message.has(number)), DYN)


class _Reader:
    def __init__(self, references: Mapping[int, _Message], types: Mapping[int, Type]) -> None:
        self._references = references
        self._types = types

    def expression(self, message: _Message) -> Expression:
        id_ = message.integer(2)
        kind = self._types.get(id_, DYN)
        referred = self._references.get(id_)
        for number, value in message.held:
            part = _Message(value) if isinstance(value, bytes) else None
            match number, part:
                case 3, _Message():
                    return Constant(id_, kind, _constant(part))
                case 4, _Message():
                    return Identifier(id_, kind, part.text(1))
                case 5, _Message() if referred is not None and referred.text(1):
                    return Identifier(id_, kind, referred.text(1))  # a variable whose name has dots
                case 5, _Message():
                    holder = self.expression(part.message(1))
                    return Select(id_, kind, holder=holder, field=part.text(2), is_test=bool(part.integer(3)))
                case 6, _Message():
                    return self._call(id_, kind, part, referred)
                case 7, _Message():
                    return Items(id_, kind, tuple(self.expression(item) for item in part.messages(1)))
                case 8, _Message():
                    return Entries(id_, kind, tuple(map(self._entry, part.messages(2))), not part.text(1))
                case 9, _Message():
                    return self._loop(id_, kind, part)
        return Constant(id_, kind)

    def _call(self, id_: int, kind: Type, part: _Message, referred: _Message | None) -> Call:
        target = self.expression(part.message(1)) if part.has(1) else None
        arguments = tuple(self.expression(argument) for argument in part.messages(3))
        overloads = tuple(name.decode() for name in referred.all(3)) if referred is not None else ()
        return Call(id_, kind, part.text(2), target, arguments, overloads)

    def _entry(self, entry: _Message) -> tuple[Expression | None, Expression]:
        key = self.expression(entry.message(3)) if entry.has(3) else None
        return key, self.expression(entry.message(4))

    def _loop(self, id_: int, kind: Type, part: _Message) -> Loop:
        over, start, going, step, result = (self.expression(part.message(number)) for number in (2, 4, 5, 6, 7))
        return Loop(
            id_, kind, part.text(1), part.text(8), part.text(3),
            over=over, start=start, going=going, step=step, result=result,
        )  # fmt: skip


def _constant(part: _Message) -> Any:
    """A value of Python's own types, None for null."""
    if not part.held:
        return None
    number, value = part.held[0]
    match number:
        case 2:
            return bool(value)
        case 3:
            return value - 2**64 if value >= 2**63 else value
        case 5:
            return struct.unpack("<d", value)[0]
        case 6:
            return value.decode()
    return value if number in (4, 7) else None
