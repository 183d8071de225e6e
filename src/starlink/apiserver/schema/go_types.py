"""Whether an object of a built-in kind is of the types into which Go reads it. Pure.

null is the absence of anything, and a number with a fraction or an exponent is no integer, whatever it comes to:
https://pkg.go.dev/encoding/json#Unmarshal
"""

from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.schema import causes
from starlink.apiserver.schema.structure import Node, path_of_child

_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_SCALARS = frozenset((bool, int, float, str))
_NOTHING: dict[str, Any] = {}

_Place = tuple[Any, ...]
"""Where a value lies: the place of what holds it, the node of that, and the name or number there."""


def check(root: Node, obj: dict[str, Any], old: dict[str, Any] = _NOTHING) -> list[Cause]:
    """Why Go can't read `obj` into its types. The metadata is not looked at, and no value that is the very same object
    in `old`."""
    found: list[Cause] = []
    _check_fields(root, {**obj, "metadata": None}, old, (), found)
    return found


def _check_fields(node: Node, value: dict[str, Any], old: Any, place: _Place, found: list[Cause]) -> None:
    properties, additional = node.properties, node.additional
    before = old if type(old) is dict else _NOTHING
    for name, part in value.items():
        below = properties.get(name) or additional
        if below is None or part is None:
            continue
        kind = type(part)
        if kind is below.read_as and kind in _SCALARS:
            continue
        was = before.get(name)
        if part is not was:
            _check(below, part, was, (place, node, name), found)


def _check(node: Node, value: Any, old: Any, place: _Place, found: list[Cause]) -> None:
    kind = type(value)
    if node.read_as is not None and kind is not node.read_as and (node.read_as, kind) != (float, int):
        found.append(_wrong(node, kind, _path(place)))
    elif kind is dict:
        _check_fields(node, value, old, place, found)
    elif kind is list and node.items is not None:
        for index, part in enumerate(value):
            if part is not None:
                _check(node.items, part, None, (place, node, index), found)


def _wrong(node: Node, kind: type, path: str) -> Cause:
    wanted, got = node.schema["type"], _NAMES.get(kind, "null")
    return causes.wrong_type(path, got, f'{path} in body must be of type {wanted}: "{got}"')


def _path(place: _Place) -> str:
    if not place:
        return ""
    holder, node, step = place
    path = _path(holder)
    return f"{path}[{step}]" if isinstance(step, int) else path_of_child(node, path, step)
