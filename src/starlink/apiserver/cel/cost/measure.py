"""How large values are, as a tree of sizes in which the items of a list are one. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Union


@dataclass(frozen=True, slots=True)
class Extent:
    """The greatest of the values that may lie at a place. `length` is in characters, items or entries; `weight` counts
    all that is read to read a value whole; `items` are those of lists, `values` those of maps, whose keys have up to
    `key` characters."""

    length: int = 0
    weight: int = 1
    items: Union["Extent", None] = None
    values: Union["Extent", None] = None
    key: int = 0
    fields: Mapping[str, "Extent"] = field(default_factory=dict)

    def union(self, other: "Extent") -> "Extent":
        """What is as large as either."""
        if other is self or other is NOTHING:
            return self
        if self is NOTHING:
            return other
        names = dict.fromkeys((*self.fields, *other.fields))
        return Extent(
            max(self.length, other.length),
            max(self.weight, other.weight),
            _either(self.items, other.items),
            _either(self.values, other.values),
            max(self.key, other.key),
            {name: self.fields.get(name, NOTHING).union(other.fields.get(name, NOTHING)) for name in names},
        )


NOTHING = Extent()


def _either(one: Extent | None, other: Extent | None) -> Extent | None:
    if one is None or other is None:
        return other if one is None else one
    return one.union(other)


def text(length: int) -> Extent:
    return Extent(length, 1 + length // 64)


def measure(value: Any) -> Extent:
    """The extent of one value of JSON's types."""
    return _merged((value,))


def _merged(values: Collection[Any]) -> Extent:
    """The extent of any of the values."""
    kinds = set(map(type, values))
    found = [_KINDS[kind]([value for value in values if type(value) is kind]) for kind in kinds if kind in _KINDS]
    return reduce(Extent.union, found, NOTHING)


def _texts(values: Collection[Any]) -> Extent:
    return text(max(map(len, values)))


def _lists(values: Collection[list[Any]]) -> Extent:
    length = max(map(len, values))
    items = _merged([item for value in values for item in value])
    return Extent(length, 1 + length * items.weight, items)


def _maps(values: Collection[dict[str, Any]]) -> Extent:
    length = max(map(len, values))
    names = {name for value in values for name in value}
    below = _merged([part for value in values for part in value.values()])
    key = max(map(len, names), default=0)
    most = 1 + length * (below.weight + text(key).weight)
    if len(names) > _MOST_NAMES:
        return Extent(length, most, None, below, key)
    fields = {name: _merged([value[name] for value in values if name in value]) for name in names}
    told = 1 + sum(part.weight + text(len(name)).weight for name, part in fields.items())
    return Extent(length, min(most, told), None, below, key, fields)


_MOST_NAMES = 64
"""Of fields that are told from each other; the values of a map of more are one."""

_KINDS: dict[type, Callable[[Collection[Any]], Extent]] = {str: _texts, bytes: _texts, list: _lists, dict: _maps}


def union(extents: Iterable[Extent]) -> Extent:
    """What is as large as any of them."""
    return reduce(Extent.union, extents, NOTHING)


def anything(length: int) -> Extent:
    """What may be of any type, in which nothing is longer than `length`; its parts are as large as it is."""
    extent = Extent(length, length + 1, key=length)
    object.__setattr__(extent, "items", extent)
    object.__setattr__(extent, "values", extent)
    return extent
