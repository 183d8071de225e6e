"""What a rule's parts come to where that is certain, as functions of `self` and `oldSelf`. Pure.

Whatever CEL might see otherwise raises Uncertain: fields that are absent or null, values of two types, and numbers that
CEL's do not hold. The language: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

Run = Callable[[Any, Any], Any]
"""Raises Uncertain."""

ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_INT64 = range(-(2**63), 2**63)

_encode = msgspec.json.Encoder().encode


class Uncertain(Exception):
    """CEL must say."""


def uncertain(_self: Any, _old: Any) -> Any:
    """Raises Uncertain."""
    raise Uncertain


def constant(value: Any) -> Run:
    return lambda _new, _old: value


def listed(runs: Sequence[Run]) -> Run:
    """A list that the rule spells out, which is a tuple to tell it from those of objects."""
    return lambda new, old: tuple([run(new, old) for run in runs])


def either(left: Run, right: Run) -> Run:
    return lambda new, old: _truth(left(new, old)) or _truth(right(new, old))


def both(left: Run, right: Run) -> Run:
    return lambda new, old: _truth(left(new, old)) and _truth(right(new, old))


def negated(inner: Run) -> Run:
    return lambda new, old: not _truth(inner(new, old))


def selected(holder: Run, name: str) -> Run:
    """A field."""

    def run(new: Any, old: Any) -> Any:
        value = _object(holder(new, old)).get(name)
        if value is None:
            raise Uncertain
        return value

    return run


def has(holder: Run, name: str) -> Run:
    """Whether a field is there."""

    def run(new: Any, old: Any) -> bool:
        held = _object(holder(new, old))
        if name in held and held[name] is None:
            raise Uncertain
        return name in held

    return run


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Uncertain
    return value


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise Uncertain
    return value


def size(of: Run) -> Run:
    """How many characters, entries or fields."""

    def run(new: Any, old: Any) -> int:
        value = of(new, old)
        if type(value) not in (str, list, dict):
            raise Uncertain
        return len(value)

    return run


def related(word: str, left: Run, right: Run) -> Run:
    """What an operator between two values gives."""
    match word:
        case "==":
            return lambda new, old: _equal(left(new, old), right(new, old))
        case "!=":
            return lambda new, old: not _equal(left(new, old), right(new, old))
        case "in":
            return lambda new, old: _among(left(new, old), right(new, old))
    compare = ORDERED[word]
    return lambda new, old: _compared(compare, left(new, old), right(new, old))


def _equal(one: Any, other: Any) -> bool:
    """Objects and lists are equal for certain when their JSON is; to tell that they are not takes their types."""
    if type(one) is not type(other):
        raise Uncertain
    if _is_plain(one) and _is_plain(other):
        return bool(one == other)
    if type(one) in (dict, list) and (one is other or _encode(one) == _encode(other)):
        return True
    raise Uncertain


def _is_plain(value: Any) -> bool:
    return type(value) in (str, bool) or (type(value) is int and value in _INT64)


def _among(value: Any, items: Any) -> bool:
    if type(items) is not tuple:
        raise Uncertain
    return any(_equal(value, item) for item in items)


def _compared(compare: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
    if type(one) is not type(other) or type(one) is bool or not (_is_plain(one) and _is_plain(other)):
        raise Uncertain
    return compare(one, other)
