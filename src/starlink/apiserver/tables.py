"""Tables: what `kubectl get` prints, rendered by the server (meta.k8s.io/v1 Table). Pure."""

import re
from collections.abc import Sequence
from typing import Any

from starlink.api.timestamp import parse_time
from starlink.apiserver.resource import Column, Resource

Obj = dict[str, Any]

_NAME_HELP = "Name must be unique within a namespace."
_NAME = {"name": "Name", "type": "string", "format": "name", "description": _NAME_HELP, "priority": 0}
_STEP = re.compile(
    r"\.(?P<field>(?:\\.|[^.\[\]])+)"
    r"|\[(?P<index>-?\d+)\]"
    r"""|\[["'](?P<key>[^"']+)["']\]"""
    r"""|\[\?\(@\.(?P<by>[\w.]+)\s*==\s*["'](?P<value>[^"']*)["']\)\]"""
)


def table(
    resource: Resource,
    objects: Sequence[Obj],
    *,
    include: str,
    now: float,
    resource_version: str,
    continue_: str = "",
    remaining: int | None = None,
    headers: bool = True,
) -> Obj:
    """A Table of the objects; `include` is None, Metadata or Object; `now` in epoch seconds, for ages."""
    meta: Obj = {"resourceVersion": resource_version}
    if continue_:
        meta["continue"] = continue_
    if remaining is not None:
        meta["remainingItemCount"] = remaining
    columns = _columns(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [definition for definition, _ in columns] if headers else [],
        "rows": [
            {"cells": [_cell(obj, column, now) for _, column in columns], "object": _included(obj, include)}
            for obj in objects
        ],
    }


def _columns(resource: Resource) -> list[tuple[Obj, Column]]:
    if resource.storage == "/events":
        return [(_definition(column), column) for column in _EVENT_COLUMNS]
    columns = resource.columns or (Column("Age", "date", ".metadata.creationTimestamp"),)
    named = (_NAME, Column("Name", "string", ".metadata.name"))
    return [named, *((_definition(column), column) for column in columns)]


def _definition(column: Column) -> Obj:
    shown_as = "string" if column.type == "date" and column.format != "date-time" else column.type
    return {
        "name": column.name,
        "type": shown_as,
        "format": column.format,
        "description": column.description or column.path,
        "priority": column.priority,
    }


_EVENT_COLUMNS = (
    Column("Last Seen", "date", ".lastTimestamp", "How long ago it last happened."),
    Column("Type", "string", ".type", "Normal or Warning."),
    Column("Reason", "string", ".reason", "Why."),
    Column("Object", "string", "involved", "The object it is about."),
    Column("Count", "integer", ".count", "How often.", priority=1),
    Column("Source", "string", ".source.component", "Who says so.", priority=1),
    Column("Message", "string", ".message", "What happened."),
    Column("Name", "string", ".metadata.name", "The event's name.", priority=1),
)


def _cell(obj: Obj, column: Column, now: float) -> Any:
    if column.path == "involved":
        involved = obj.get("involvedObject") or {}
        return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"
    value = find(obj, column.path)
    if column.type == "date" and column.format != "date-time":
        return age(value, now) if isinstance(value, str) else "<unknown>" if column.name == "Age" else None
    if isinstance(value, dict | list):
        return str(value)
    return value


def _included(obj: Obj, include: str) -> Obj | None:
    if include == "Object":
        return obj
    if include == "None":
        return None
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def find(obj: Any, path: str) -> Any:
    """What lies at a JSONPath of the kind that printer columns use; None when nothing does."""
    value, position = obj, 0
    text = path if path.startswith((".", "[")) else f".{path}"
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            return None
        value, position = _step(value, step), step.end()
    return value


def _step(value: Any, step: re.Match[str]) -> Any:
    name = step["key"] or (step["field"] or "").replace("\\.", ".")
    if name:
        return value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, list):
        return None
    if step["index"] is not None:
        index = int(step["index"])
        return value[index] if -len(value) <= index < len(value) else None
    return next((item for item in value if isinstance(item, dict) and find(item, step["by"]) == step["value"]), None)


def age(timestamp: str, now: float) -> str:
    """How long ago, as kubectl says it: `5s`, `3m10s`, `2d4h` (apimachinery's duration.HumanDuration)."""
    try:
        seconds = int(now - parse_time(timestamp))
    except ValueError:
        return "<invalid>"
    if seconds < 0:
        return "0s" if seconds >= -2 else "<invalid>"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 8 * 365 else f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
