"""Entries of list maps and of sets, which are there once. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/listtype/validation.go
"""

import json
from collections.abc import Iterator
from typing import Any

from starlink.apiserver.errors import Cause
from starlink.apiserver.schema import causes, structure
from starlink.apiserver.schema.structure import Node


def twins(node: Node, value: Any, path: str = "") -> Iterator[Cause]:
    """Entries of list maps with the keys of an earlier one, and of sets with its value; a third twin is not told."""
    if isinstance(value, dict):
        for name, part in value.items():
            below = structure.child(node, name)
            if below is not None and below.keyed and isinstance(part, dict | list):
                yield from twins(below, part, structure.path_of_child(node, path, name))
    elif isinstance(value, list) and node.items is not None:
        if node.list_type != "atomic":
            yield from _repeated(node, value, path)
        if node.items.keyed:
            for index, part in enumerate(value):
                yield from twins(node.items, part, f"{path}[{index}]")


def _repeated(node: Node, items: list[Any], path: str) -> Iterator[Cause]:
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        identity = _identity(node, item)
        text = json.dumps(identity, sort_keys=True)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            yield causes.duplicate(f"{path}[{index}]", identity)


def _identity(node: Node, item: Any) -> Any:
    """What an entry may be there once for."""
    if node.list_type == "set":
        return item
    return {key: item[key] for key in node.keys if key in item} if isinstance(item, dict) else {}
