"""Values as rules see them: of the types of their schema, not those of JSON. Pure.

Numbers are doubles, strings of some formats are bytes, times and durations, and names are those that CEL can have.
"""

import base64
import datetime
from collections.abc import Callable
from typing import Any

from starlink.apiserver.cel.escaping import escape
from starlink.apiserver.cel.shapes import Shape
from starlink.apiserver.schema.string_formats import parse_duration

View = Callable[[Any], Any]


def view_of(shape: Shape | None) -> View | None:
    """The function that turns a value into what rules see; None when they see the value itself, which costs nothing."""
    if shape is None:
        return None
    if shape.kind in _SCALARS:
        return _SCALARS[shape.kind]
    if shape.kind == "object":
        return _object_view(shape)
    part = view_of(shape.element)
    if part is None:
        return None
    return _list_view(part) if shape.kind == "list" else _map_view(part)


def _object_view(shape: Shape) -> View | None:
    parts = {name: view_of(part) for name, part in shape.fields.items()}
    names = {name: escape(name) or name for name in parts}
    if not any(parts.values()) and all(name == known for name, known in names.items()):
        return None

    def view(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {names.get(name, name): _seen(parts.get(name), part) for name, part in value.items()}

    return view


def _list_view(part: View) -> View:
    return lambda value: [_seen(part, item) for item in value] if isinstance(value, list) else value


def _map_view(part: View) -> View:
    return lambda value: {k: _seen(part, v) for k, v in value.items()} if isinstance(value, dict) else value


def _seen(view: View | None, value: Any) -> Any:
    return value if view is None or value is None else view(value)


def _double(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _bytes(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        return value


def _timestamp(value: Any) -> Any:
    """A date is its first moment."""
    try:
        moment = datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    from google.protobuf import timestamp_pb2  # few schemas have times

    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC))
    return stamp


def _duration(value: Any) -> Any:
    length = parse_duration(value) if isinstance(value, str) else None
    if length is None:
        return value
    from google.protobuf import duration_pb2  # few schemas have durations

    duration = duration_pb2.Duration()
    duration.FromTimedelta(length)
    return duration


_SCALARS: dict[str, View | None] = {
    "int": None, "string": None, "bool": None, "dyn": None, "double": _double, "bytes": _bytes,
    "timestamp": _timestamp, "duration": _duration,
}  # fmt: skip
