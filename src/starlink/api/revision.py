"""The revision of a template: what tells an updated assignment from an outdated one."""

import functools
import hashlib
from typing import Any

import msgspec

from starlink.api.template import Template


def revision(template: Template) -> str:
    """Eight hexadecimal digits. Fields at their defaults do not count, so a default that is written
    out, or one that a later version adds, changes no revision and restarts nobody."""
    canonical = msgspec.json.encode(compact(template), order="sorted")
    return hashlib.sha256(canonical).hexdigest()[:8]


def compact(value: Any) -> Any:
    """A view as plain values without the fields that are at their defaults.

    msgspec's omit_defaults tells a default by identity, so a value that was read would stay.
    """
    if isinstance(value, msgspec.Struct):
        return {
            field.encode_name: compact(getattr(value, field.name))
            for field in _fields(type(value))
            if getattr(value, field.name) != _default(field)
        }
    if isinstance(value, tuple):
        return [compact(item) for item in value]
    if isinstance(value, dict):
        return {key: compact(item) for key, item in value.items()}
    return value


@functools.cache
def _fields(view: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(view)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
