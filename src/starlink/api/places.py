"""Where a path such as `spec.template.ports[0].name` leads in an object, and in its OpenAPI schema. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_NOT_WRITTEN = ("apiVersion", "kind", "status")
"""At the root: what has its place, and what users don't write."""


def value_at(obj: Any, path: str) -> Any:
    """What lies there, None for nothing."""
    while path:
        if path.startswith("["):
            index, _, path = path[1:].partition("]")
            if not isinstance(obj, list) or not index.isdecimal() or int(index) >= len(obj):
                return None
            obj = obj[int(index)]
            continue
        path = path.removeprefix(".")
        name = _first(path, obj if isinstance(obj, dict) else ())
        if name is None:
            return None
        obj, path = obj[name], path.removeprefix(name)
    return obj


def schema_at(schema: Schema, path: str) -> Schema:
    """The schema of what lies there, {} for nothing."""
    found, rest = descend(schema, path)
    return {} if rest else found


def descend(schema: Schema, path: str) -> tuple[Schema, str]:
    """As far as the schema goes along a path, and what is left of the path there."""
    while path:
        items, additional = schema.get("items"), schema.get("additionalProperties")
        if path.startswith("[") and items:
            schema, path = items, path.partition("]")[2]
            continue
        path = path.removeprefix(".")
        name = _first(path, schema.get("properties") or ())
        if name is not None:
            schema, path = schema["properties"][name], path.removeprefix(name)
        elif isinstance(additional, Mapping):  # of a map of plain values the rest is the key, dots and all
            schema, path = additional, path.partition(".")[2] if additional.get("properties") else ""
        else:
            return schema, path
    return schema, ""


def fields(schema: Schema) -> Iterator[tuple[str, str]]:
    """Every field that a user may write, with the path of what it belongs under, the least deep first; entries of a
    list are `list[]`. Of metadata the fields right below it."""
    waiting = [("", schema)]
    for place, part in waiting:
        for name, below in (part.get("properties") or {}).items():
            if place or name not in _NOT_WRITTEN:
                yield name, place
                if place != "metadata":
                    waiting.append(_within(f"{place}.{name}" if place else name, below))


def _within(path: str, schema: Schema) -> tuple[str, Schema]:
    return (f"{path}[]", schema["items"]) if schema.get("items") else (path, schema)


def _first(path: str, names: Iterable[str]) -> str | None:
    """The longest of the names with which a path begins."""
    begun = (name for name in names if path.startswith(name) and path[len(name) : len(name) + 1] in ("", ".", "["))
    return max(begun, key=len, default=None)
