"""Entries of list maps and of sets, which are there once. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/listtype/validation.go
"""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.schema import causes, structure
from starlink.apiserver.schema.structure import Node

_ABSENT = object()


def twins(node: Node, value: Any, old: Any = None, path: str = "") -> Iterator[Cause]:
    """A cause for each entry of a list map that repeats the keys of an earlier entry or is no object, and for each
    entry of a set that repeats an earlier value. Only the first repetition is told. A part that is the very object that
    `old` has there is not looked at."""
    if isinstance(value, dict):
        if node.repeats is not None and node.repeats.is_valid(value):
            return
        before = old if isinstance(old, dict) else {}
        for name, part in value.items():
            if not isinstance(part, dict | list) or part is before.get(name):
                continue
            below = structure.child(node, name)
            if below is not None and below.keyed:
                yield from twins(below, part, before.get(name), structure.path_of_child(node, path, name))
    elif isinstance(value, list) and node.items is not None:
        if node.list_type != "atomic" and not _all_differ(node, value):
            yield from _repeated(node, value, path)
        if node.items.keyed:
            for index, part in enumerate(value):
                yield from twins(node.items, part, None, f"{path}[{index}]")


def _all_differ(node: Node, items: list[Any]) -> bool:
    """Whether no two entries are alike even to Python, to which 1, 1.0 and true are; cheap."""
    with contextlib.suppress(TypeError, AttributeError):  # what can't be hashed, and entries that are no objects
        if node.list_type == "set":
            return len(set(items)) == len(items)
        return len({tuple([item.get(key, _ABSENT) for key in node.keys]) for item in items}) == len(items)
    return False


def _repeated(node: Node, items: list[Any], path: str) -> Iterator[Cause]:
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        if node.list_type == "map" and not isinstance(item, dict):
            if item is None:  # whose type is told
                return
            yield causes.invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map")
            return
        identity = _identity(node, item)
        text = json.dumps(identity, sort_keys=True)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            yield causes.duplicate(f"{path}[{index}]", identity)


def _identity(node: Node, item: Any) -> Any:
    """What an entry may be there once for."""
    if node.list_type == "set":
        return item
    return {key: item[key] for key in node.keys if key in item}
