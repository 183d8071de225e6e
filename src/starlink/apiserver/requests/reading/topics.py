"""The topic of a watch by a field's value, so that only what may concern it wakes it."""

import contextlib
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from starlink.apiserver.resources import conversion, encoding
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.resources.selectors import Selector, as_text, field_value
from starlink.store.base import Change, Event, Record, Topic

_NAME, _NAMESPACE = "metadata.name", "metadata.namespace"
BY_KEY = frozenset({_NAME, _NAMESPACE})
"""The fields that an object's key tells."""
_KEPT_TYPES = 256


class Field(NamedTuple):
    """A field of a version of a kind; an object may read otherwise at another version, or by a later schema."""

    version: str
    since: int
    path: str


def topic(resource: Resource, selector: Selector) -> Topic | None:
    """The equality that the field selector demands: of the name before a selectable field before the namespace, as the
    first has the fewest objects; None when it demands none."""
    demanded = {path: value for path, value, equal in selector.field_terms if equal}
    if not demanded:
        return None
    path = min(demanded, key=lambda path: (path != _NAME, path == _NAMESPACE))
    return Topic(Field(resource.api_version, resource.since, path), demanded[path], _values(reader(resource, path)))


def reader(resource: Resource, path: str) -> Callable[[Record], str]:
    """What gives one field of a record, as `selectors.field_value` does of the whole object."""
    if path == _NAME:
        return lambda record: record.key.name
    if path == _NAMESPACE:
        return lambda record: record.key.namespace
    return _body_reader(resource, path)


def _body_reader(resource: Resource, path: str) -> Callable[[Record], str]:
    """Reads one field of what is stored, and the whole object where that is not as the resource's version has it."""
    depth = path.count(".") + 1
    decoder = _only(path)
    converts = conversion.converts(resource)

    def read(record: Record) -> str:
        if not converts and record.revision >= resource.since:
            with contextlib.suppress(msgspec.ValidationError):  # some part of the path is no object
                return as_text(_inner(decoder.decode(record.body), depth))
        return field_value(encoding.to_object(record, resource), path)

    return read


@lru_cache(_KEPT_TYPES)
def _only(path: str) -> msgspec.json.Decoder[Any]:
    """Reads the field at a path and nothing else."""
    inner: Any = Any
    for part in reversed(path.split(".")):
        inner = msgspec.defstruct("Part", [("inner", inner | None, None)], rename={"inner": part})
    return msgspec.json.Decoder(inner)


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
