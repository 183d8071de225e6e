"""How long cel-expr-python may take for an expression over values of some extent, at most. Pure.

It can't be interrupted, and what it does holds the process. The real server counts what an expression does and stops
it; here it isn't run when it may take too long. In nanoseconds, as measured on two cores of a cloud's virtual machine;
its loops stop of themselves after 10,000 turns. Two things take it longer than one would think: it compiles a regular
expression anew each time, and `map` and `filter` copy what they have so far for each entry.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlink.apiserver.cel.cost.measure import NOTHING, Extent, text, union
from starlink.apiserver.cel.syntax import Call, Constant, Entries, Expression, Identifier, Items, Loop, Select

OF_EXPRESSION = 100_000_000
"""A tenth of a second, which is what the real server's limit of an expression comes to."""

OF_OBJECT = 5 * OF_EXPRESSION
"""For all rules of an object, or all expressions of a policy."""

MOST_TURNS = 10_000
"""Of all loops of an expression together; cel-expr-python ends what has more."""

_STEP, _TURN = 150, 500  # of each part of an expression; of each turn of a loop
_READ, _WRITTEN = 3, 20  # a character
_COMPARED, _COPIED = 40, 40  # a value, or 64 characters; an entry of a list
_IN_PYTHON, _TO_PYTHON = 4_000, 600  # a call of what is written in Python; each value that it is given
_PATTERN, _PATTERN_CHARACTER, _UNICODE_CLASS = 5_000, 1_000, 100_000  # to compile a regular expression
_GIVEN_PATTERN = 1_000_000  # the same, of one that is not known: repeats and classes make it dear
_CHECK = 100_000  # whether something is allowed
_NUMBER = 64  # the characters of one


@dataclass(frozen=True, slots=True)
class Work:
    """`total` takes all loops for run to their end; `once` leaves out their turns, the longest of which is `turn`."""

    total: int = 0
    once: int = 0
    turn: int = 0

    @property
    def most(self) -> int:
        return min(self.total, self.once + MOST_TURNS * self.turn)


_Known = tuple[Work, Extent]


def bound(expression: Expression, known: Mapping[str, Extent], unknown: Extent) -> int:
    """The nanoseconds. `known` are variables, `unknown` is what any other may be."""
    return _Bound(dict(known), unknown).of(expression)[0].most


def _all(works: Iterable[Work], more: int = 0) -> Work:
    """One after the other."""
    total = once = more
    turn = 0
    for work in works:
        total, once, turn = total + work.total, once + work.once, max(turn, work.turn)
    return Work(total, once, turn)


class _Bound:
    """One bound. `_known` has the variables of the loops that are looked into."""

    def __init__(self, known: dict[str, Extent], unknown: Extent) -> None:
        self._known = known
        self._unknown = unknown

    def of(self, expression: Expression) -> _Known:
        match expression:
            case Constant():
                return Work(), text(len(expression.value)) if isinstance(expression.value, str | bytes) else NOTHING
            case Identifier():
                return Work(_STEP, _STEP), self._known.get(expression.name, self._unknown)
            case Select():
                work, holder = self.of(expression.holder)
                return _all((work,), _STEP), NOTHING if expression.is_test else _field(holder, expression.field)
            case Items():
                works, items = self._of_all(expression.items)
                each = union(items)
                return _all(works, _STEP), Extent(len(items), 1 + len(items) * each.weight, each)
            case Entries():
                return self._entries(expression)
            case Loop():
                return self._loop(expression)
            case Call():
                return self._call(expression)
        raise AssertionError(f"{type(expression).__name__} is no part of an expression")

    def _of_all(self, expressions: Iterable[Expression]) -> tuple[list[Work], list[Extent]]:
        found = [self.of(expression) for expression in expressions]
        return [work for work, _ in found], [extent for _, extent in found]

    def _entries(self, expression: Entries) -> _Known:
        works, keys = self._of_all(key for key, _ in expression.entries if key is not None)
        more, values = self._of_all(value for _, value in expression.entries)
        each, key = union(values), max((extent.length for extent in keys), default=0)
        weight = 1 + len(values) * (each.weight + text(key).weight)
        return _all((*works, *more), _STEP), Extent(len(values), weight, None, each, key)

    def _loop(self, expression: Loop) -> _Known:
        over, entries = self.of(expression.over)
        start, first = self.of(expression.start)
        count = min(entries.length, MOST_TURNS)
        collects = isinstance(expression.start, Items | Entries) and bool(count)
        outer, self._known = self._known, {**self._known, **_variables(expression, entries)}
        self._known[expression.accumulator] = Extent(count) if collects else first
        going, step = self.of(expression.going)[0], self.of(expression.step)
        if collects:
            self._known[expression.accumulator] = _collected(step[1], count)
        result, extent = self.of(expression.result)
        self._known = outer
        once, turn = _all((over, start, result)), _all((going, step[0]), _TURN)
        longest = max(once.turn, turn.turn, turn.once) if count else once.turn
        return Work(once.total + count * turn.most, once.once, longest), extent

    def _call(self, expression: Call) -> _Known:
        operands = (*((expression.target,) if expression.target is not None else ()), *expression.arguments)
        works, extents = self._of_all(operands)
        if expression.function == "_?_:_":
            return _all((works[0], _longer(works[1], works[2])), _STEP), extents[1].union(extents[2])
        cost, made = self._called(expression, operands, extents)
        return _all(works, _STEP + cost), made

    def _called(self, call: Call, operands: tuple[Expression, ...], extents: list[Extent]) -> tuple[int, Extent]:
        """What the call itself takes, and what it gives."""
        length, weight = sum(extent.length for extent in extents), sum(extent.weight for extent in extents)
        match call.function:
            case "_[_]" | "_[?_]" | "_?._":
                return _STEP, _at(extents[0], operands[1])
            case name if name in _PASSES:
                return 0, union(extents)
            case name if name in _SMALL:
                return 0, NOTHING
            case "size" | "string":
                return _READ * length, text(length + _NUMBER)
            case "startsWith" | "endsWith":
                return _COMPARED * extents[1].weight, NOTHING
            case "charAt" | "substring":
                return _READ * length, text(extents[0].length)
            case "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_":
                return _COMPARED * min(extents[0].weight, extents[1].weight), NOTHING
            case "@in":
                return _looked_up(*extents), NOTHING
            case "_+_":
                return _added(*extents)
            case "matches":
                return _matched(extents[0], operands[1], extents[1]), NOTHING
            case "find" | "findAll":
                cost = 4 * _matched(extents[0], operands[1], extents[1]) + _TO_PYTHON * extents[0].length
                return cost, _texts(extents[0].length)
            case "contains" | "indexOf" | "lastIndexOf":
                return extents[0].length * (1 + extents[1].length // 8) + _in_python(call, weight), NOTHING
            case "sets.contains" | "sets.intersects" | "sets.equivalent":
                return 2 * extents[0].length * _looked_up(extents[0], extents[1]), NOTHING
            case "split":
                return 5 * _WRITTEN * extents[0].length, _texts(extents[0].length)
            case "replace":
                made = (extents[0].length + 1) * (1 + extents[2].length)
                return _WRITTEN * made, text(made)
            case "join":
                made = extents[0].length * (_value(extents[0]).length + length - extents[0].length)
                return _WRITTEN * made, text(made)
            case "check":
                return _CHECK, NOTHING
            case "getQuery":
                return _in_python(call, weight), _texts(length)
            case "format":
                return _WRITTEN * (weight + length), text(length + 64 * weight)
        return _WRITTEN // 2 * (weight + length) + _in_python(call, weight), text(2 * length + _NUMBER)


_PASSES = frozenset(
    ("dyn", "optional.of", "optional.ofNonZeroValue", "optional.none", "value", "or", "orValue", "cel.@mapInsert",
     "max", "min")
)  # fmt: skip
_SMALL = frozenset(
    ("_&&_", "_||_", "!_", "@not_strictly_false", "-_", "_-_", "_*_", "_/_", "_%_", "type", "hasValue")
)  # fmt: skip


def _in_python(call: Call, weight: int) -> int:
    """What is written in Python is given copies."""
    is_there = any(overload.startswith("kubernetes_") for overload in call.overloads)
    return _IN_PYTHON + _TO_PYTHON * weight if is_there else 0


def _longer(one: Work, other: Work) -> Work:
    return Work(max(one.total, other.total), max(one.once, other.once), max(one.turn, other.turn))


def _field(holder: Extent, name: str) -> Extent:
    if holder.fields or holder.values is None:
        return holder.fields.get(name, NOTHING)
    return holder.values


def _at(holder: Extent, key: Expression) -> Extent:
    if isinstance(key, Constant) and isinstance(key.value, str):
        return _field(holder, key.value)
    return _value(holder)


def _value(holder: Extent) -> Extent:
    return union(part for part in (holder.items, holder.values) if part is not None)


def _variables(loop: Loop, entries: Extent) -> dict[str, Extent]:
    """The first is an item or, of a map or before a second, a key or an index."""
    key = text(entries.key) if entries.values is not None else NOTHING
    if loop.second:
        return {loop.variable: key, loop.second: _value(entries)}
    return {loop.variable: key if entries.items is None else entries.items.union(key)}


def _collected(step: Extent, count: int) -> Extent:
    each = _value(step)
    kept = {"items": each} if step.items is not None else {"values": each, "key": step.key}
    return Extent(count, 1 + count * each.weight, **kept)


def _looked_up(wanted: Extent, there: Extent) -> int:
    """A key is hashed; a list is read until the value is found."""
    if there.items is None:
        return _COMPARED
    return there.length * _COMPARED * min(wanted.weight, there.items.weight)


def _added(one: Extent, other: Extent) -> tuple[int, Extent]:
    length = one.length + other.length
    if one.items is None and other.items is None:
        return _WRITTEN * (length // 8), text(length) if length else NOTHING
    both = one.union(other)
    return _COPIED * length, Extent(length, one.weight + other.weight, both.items, both.values, both.key)


def _texts(length: int) -> Extent:
    """A text, or as many."""
    each = text(length)
    return Extent(length, length + 1, each, each, length)


def _matched(read: Extent, pattern: Expression, given: Extent) -> int:
    """A pattern that is given may be of the worst kind."""
    if isinstance(pattern, Constant) and isinstance(pattern.value, str):
        compiled = _compiled(pattern.value)
    else:
        compiled = _GIVEN_PATTERN + 25 * _PATTERN_CHARACTER * given.length
    return compiled + _READ * read.length


_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def _compiled(pattern: str) -> int:
    repeats = 1
    for low, high in _REPEAT.findall(pattern):
        repeats *= max(1, int(high or low))
    classes = len(re.findall(r"\\[pP]|\(\?\w*i", pattern))
    return _PATTERN + min(repeats, 1000) * (_PATTERN_CHARACTER * len(pattern) + _UNICODE_CLASS * classes)
