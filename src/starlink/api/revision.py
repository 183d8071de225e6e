"""The revision of a template: what tells an updated assignment from an outdated one."""

import functools
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from starlink.api.template import Template


def revision(template: Template) -> str:
    """Eight hexadecimal digits. Fields at their defaults do not count, so a default that is written
    out, or one that a later version adds, changes no revision and restarts nobody. Nor does the spec of a driver, which
    is told of it while it runs."""
    return _of(msgspec.json.encode(template)).revision


def plain(template: Template) -> Mapping[str, Any]:
    """`compact` of a template, which all that ask for an equal one share."""
    return _of(msgspec.json.encode(template)).plain


class _Written(NamedTuple):
    plain: Mapping[str, Any]
    revision: str


@functools.lru_cache(maxsize=1024)
def _of(encoded: bytes) -> _Written:
    """By the template's bytes: a task is looked at many times, and tasks of one template come in thousands."""
    found = compact(msgspec.json.decode(encoded, type=Template))
    canonical = msgspec.json.encode(_identity(found), order="sorted")
    return _Written(found, hashlib.sha256(canonical).hexdigest()[:8])


def _identity(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a template makes another instance of it."""
    if "driver" not in found:
        return found
    return {**found, "driver": {name: value for name, value in found["driver"].items() if name != "spec"}}


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
