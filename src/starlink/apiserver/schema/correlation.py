"""Which part of an object that was there a part of the new one goes on from, and whether the two are the same. Pure.

https://github.com/kubernetes/kubernetes/blob/release-1.32/staging/src/k8s.io/apiserver/pkg/cel/common/equality.go
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from starlink.apiserver.schema.structure import Node

ABSENT: Any = object()
"""In place of an old part where there is none, or none that can be told."""

_encode = msgspec.json.Encoder(order="deterministic").encode

Obj = dict[str, Any]


def same(new: Any, old: Any) -> bool:
    """Whether two values are the same JSON. To Python 1, 1.0 and true are equal, which they are not."""
    if new is old:
        return True
    return type(new) is type(old) and bool(new == old) and _encode(new) == _encode(old)


def same_but_for_metadata(new: Obj, old: Obj) -> bool:
    """Whether two objects differ in their metadata at most."""
    if new.keys() | {"metadata"} != old.keys() | {"metadata"}:
        return False
    return all(name == "metadata" or same(part, old[name]) for name, part in new.items())


def counterparts(node: Node, new: list[Any], old: Any) -> Iterator[Any]:
    """The old entry of each entry of a list: by its keys in a list map, by its place in a list of no type; ABSENT in
    sets and atomic lists, which are one value."""
    kind = node.schema.get("x-kubernetes-list-type")
    if not isinstance(old, list) or kind in ("set", "atomic"):
        yield from (ABSENT for _ in new)
    elif kind == "map":
        known = by_key(node, old)
        yield from (known.get(key_of(node, item), ABSENT) for item in new)
    else:
        yield from (old[index] if index < len(old) else ABSENT for index in range(len(new)))


def by_key(node: Node, items: list[Any]) -> dict[str, Any]:
    """The entries of a list map by their keys."""
    return {key_of(node, item): item for item in items}


def key_of(node: Node, item: Any) -> str:
    """What tells an entry of a list map from others."""
    return json.dumps([item.get(key) for key in node.keys]) if isinstance(item, dict) else ""
