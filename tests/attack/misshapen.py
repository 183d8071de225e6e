"""Bodies of which one place has another JSON type than it should. Pure.

They are made from the schemas of the built-in kinds: a full example of a kind, and for each place in it every value of
`ODD` in turn.
"""

from collections.abc import Iterator, Mapping
from typing import Any

ODD: tuple[Any, ...] = (None, True, 2**70, "x", [], [1], [None], {}, {"a": 1}, {"": None})

_NAMES = {"name": "x", "namespace": "default"}
_DEEPEST = 8


def example(schema: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """A value in which every field of the schema is there."""
    if name in _NAMES:
        return _NAMES[name]
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object" if schema.get("properties") and depth < _DEEPEST:
            return {part: example(below, part, depth + 1) for part, below in schema["properties"].items()}
        case "object":
            below = schema.get("additionalProperties")
            return {"k": example(below, "", depth + 1)} if isinstance(below, dict) else {"k": "v"}
        case "array":
            return [example(schema.get("items") or {}, "", depth + 1)]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "string":
            return "2020-01-01T00:00:00Z" if schema.get("format") == "date-time" else "x"
        case _:
            return {}


def misshapen(obj: Any) -> Iterator[tuple[str, Any]]:
    """The object with each of its places, itself excepted, made odd; with where and what, for whoever reads it."""
    for path in _places(obj, ()):
        for odd in ODD:
            yield f"{'/'.join(map(str, path))} = {odd!r}", _with(obj, path, odd)


def without(obj: Any) -> Iterator[tuple[str, Any]]:
    """The object without each of its fields."""
    for path in _places(obj, ()):
        if isinstance(path[-1], str):
            yield f"no {'/'.join(map(str, path))}", _without(obj, path)


def _places(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in parts:
        yield (*path, step)
        yield from _places(part, (*path, step))


def _with(value: Any, path: tuple[str | int, ...], odd: Any) -> Any:
    if not path:
        return odd
    copy = _copied(value)
    copy[path[0]] = _with(copy[path[0]], path[1:], odd)
    return copy


def _without(value: Any, path: tuple[str | int, ...]) -> Any:
    copy = _copied(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = _without(copy[path[0]], path[1:])
    return copy


def _copied(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else list(value)
