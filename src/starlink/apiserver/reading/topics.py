"""The topic of a watch by a field's value, so that only what may concern it wakes it."""

import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from starlink.apiserver import encoding
from starlink.apiserver.reading.selectors import Selector, as_text, field_value
from starlink.apiserver.resource import Resource
from starlink.apiserver.schema import conversion
from starlink.store.base import Change, Event, Record, Topic

_NAME, _NAMESPACE = "metadata.name", "metadata.namespace"


def topic(resource: Resource, selector: Selector) -> Topic | None:
    """The equality that the field selector demands: of the name before a selectable field before the namespace, as the
    first has the fewest objects; None when it demands none."""
    demanded = {path: value for path, value, equal in selector.field_terms if equal}
    if not demanded:
        return None
    path = min(demanded, key=lambda path: (path != _NAME, path == _NAMESPACE))
    # An object may read otherwise at another version, or by a later schema.
    return Topic((resource.api_version, resource.since, path), demanded[path], _values(_reader(resource, path)))


def _reader(resource: Resource, path: str) -> Callable[[Record], str]:
    if path == _NAME:
        return lambda record: record.key.name
    if path == _NAMESPACE:
        return lambda record: record.key.namespace
    return _body_reader(resource, path)


def _body_reader(resource: Resource, path: str) -> Callable[[Record], str]:
    """Reads one field of what is stored, and the whole object where that is not as the resource's version has it."""
    parts = path.split(".")
    decoder = msgspec.json.Decoder(_only(parts))
    converts = conversion.converts(resource)

    def read(record: Record) -> str:
        if not converts and record.revision >= resource.since:
            with contextlib.suppress(msgspec.ValidationError):  # some part of the path is no object
                return as_text(_inner(decoder.decode(record.body), len(parts)))
        return field_value(encoding.to_object(record, resource), path)

    return read


def _only(parts: Sequence[str]) -> Any:
    """A type that has the field at a path and nothing else, so that nothing else is decoded."""
    inner: Any = Any
    for part in reversed(parts):
        inner = msgspec.defstruct("Part", [("inner", inner | None, None)], rename={"inner": part})
    return inner


def _inner(value: Any, depth: int) -> Any:
    for _ in range(depth):
        if value is None:
            return None
        value = value.inner
    return value


def _values(read: Callable[[Record], str]) -> Callable[[Event], Collection[str]]:
    def values(event: Event) -> Collection[str]:
        if event.previous is None:
            return (read(event.record),)
        before = read(event.previous)
        if event.change is Change.DELETE:
            return (before,)
        return {before, read(event.record)}

    return values
