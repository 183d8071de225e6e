"""Statuses, as they are written: which fields of one change. Pure.

A status has several writers, and each sends only what it has to say. So a writer declares its fields and conditions.
What comes out is the merge patch (RFC 7396) that makes the status say so: empty when it says so already.
"""

import functools
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from starlink.api import conditions
from starlink.api.merge_patch import replacing
from starlink.api.meta import Condition, Metadata
from starlink.api.timestamp import format_time


class Reported(Protocol):
    """An object whose status has conditions."""

    @property
    def metadata(self) -> Metadata: ...
    @property
    def status(self) -> Any: ...


def changes(
    obj: Reported,
    fields: Mapping[str, Any],
    declared: Iterable[Condition],
    now: float,
    always: Collection[str] = (),
) -> dict[str, Any]:
    """The fields of the object's status that change.

    `fields` are declared by their names in JSON, each as it is written, None for one that is not to be there; those of
    `always` are written even where they say what the status says. `declared` are conditions of the object's generation;
    those that others have written stay.
    """
    changed = field_changes(obj.status, fields, always)
    of_now = conditions.of_generation(declared, obj.metadata.generation)
    merged = conditions.merge(obj.status.conditions, of_now, now=format_time(now))
    if merged != obj.status.conditions:
        changed["conditions"] = [conditions.entry(condition) for condition in merged]
    return changed


def field_changes(status: msgspec.Struct, fields: Mapping[str, Any], always: Collection[str] = ()) -> dict[str, Any]:
    """The same of fields alone."""
    known = fields_of(type(status))
    return {
        name: replacing(msgspec.to_builtins(getattr(status, known[name].name)), value)
        for name, value in fields.items()
        if name in always or _read(known[name], value) != getattr(status, known[name].name)
    }


@functools.cache
def fields_of(view: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """The fields of a view by their names in JSON."""
    return {field.encode_name: field for field in msgspec.structs.fields(view)}


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """What a view has for a field that is absent."""
    return field.default_factory() if callable(field.default_factory) else field.default


def _read(field: msgspec.structs.FieldInfo, value: Any) -> Any:
    """What a view has once the value is written."""
    if isinstance(value, int | str):  # a view has them as they are, and most fields are such
        return value
    return default_of(field) if value is None else msgspec.convert(value, field.type)
