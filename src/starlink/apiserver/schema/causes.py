"""Causes of refusals in the words of the real API server.

https://github.com/kubernetes/apimachinery/blob/release-1.32/pkg/util/validation/field/errors.go, but for objects and
lists, which are shown as JSON, as later versions do. Pure.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from starlink.api.errors import Cause

NOWHERE = "<nil>"
"""The field of a cause that has none, as the real server names it."""

_LONGEST = 1000
_LONGEST_PATH = 1000


class Fields(dict[str, Any]):
    """A value that is shown in the order of its fields; any other object in the order of its names."""


def invalid(field: str, value: Any, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {shown(value)}: {why}", field)


def wrong_type(field: str, value: Any, why: str) -> Cause:
    return Cause("FieldValueTypeInvalid", f"Invalid value: {shown(value)}: {why}", field)


def required(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", _joined("Required value", why), field)


def forbidden(field: str, why: str) -> Cause:
    return Cause("FieldValueForbidden", _joined("Forbidden", why), field)


def duplicate(field: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {shown(value)}", field)


def not_supported(field: str, value: Any, supported: Iterable[Any]) -> Cause:
    texts = (option if isinstance(option, str) else shown(option) for option in supported)
    listed = ", ".join(_quoted(text) for text in texts)
    return Cause("FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {listed}", field)


def too_long(field: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)


def too_many(field: str, count: int, limit: int) -> Cause:
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {limit} items", field)


def shown(value: Any) -> str:
    """A value as a message has it: text and null in quotes, all else as Go's JSON; long ones are cut."""
    text = _quoted("null" if value is None else value) if isinstance(value, str | None) else _json(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def number(value: float) -> str:
    """A number as Go prints it: a whole one has no fraction."""
    return str(_plain(value))


def child(path: str, name: str) -> str:
    """The path of a field of what lies at `path`, which is "" at the root."""
    if len(path) + len(name) > _LONGEST_PATH:
        path, name = _shortened(path, name)
    return f"{path}.{name}" if path else name


def entry(path: str, key: str) -> str:
    """The path of what a map at `path` has by that key."""
    if len(path) + len(key) > _LONGEST_PATH:
        path, key = _shortened(path, key)
    return f"{path}[{key}]"


def path_of(steps: Sequence[str | int]) -> str:
    """`spec.ports[0].name`."""
    path = ""
    for step in steps:
        path = f"{path}[{step}]" if isinstance(step, int) else child(path, step)
    return path


def _shortened(path: str, name: str) -> tuple[str, str]:
    """A path that is too long keeps its beginning, so that many of them can be told of one request."""
    if len(path) > _LONGEST_PATH // 2:
        path = f"{path[: _LONGEST_PATH // 2]}…"
    if len(name) > _LONGEST_PATH // 2:
        name = f"{name[: _LONGEST_PATH // 2]}…"
    return path, name


def _joined(words: str, why: str) -> str:
    return f"{words}: {why}" if why else words


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _json(value: Any) -> str:
    text = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(value: Any) -> Any:
    """The same with whole numbers as integers, and names in order."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in (value if isinstance(value, Fields) else sorted(value))}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
