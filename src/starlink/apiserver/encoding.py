"""Objects as bytes: in the store without a resourceVersion, on the wire with it."""

from functools import cache
from typing import Any

import msgspec

from starlink.apiserver import conversion
from starlink.apiserver.resource import Resource
from starlink.store.base import Record

JSON = {"content-type": "application/json"}
_METADATA = b'"metadata":{'
_KIND = b'","kind":"'
_ORDER = ("apiVersion", "kind", "metadata")

_decoder = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.encode

Obj = dict[str, Any]


def to_stored(obj: Obj) -> bytes:
    """The bytes to keep: apiVersion, kind and metadata first, no resourceVersion."""
    metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    ordered = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    ordered.update((k, v) for k, v in obj.items() if k not in _ORDER)
    return _encode(ordered)


def to_wire(record: Record, resource: Resource) -> bytes:
    """The object's JSON at the resource's version, with its resourceVersion."""
    if record.revision < resource.since or conversion.converts(resource):
        return _encode(to_object(record, resource))
    head, separator, tail = record.body.partition(_METADATA)
    begin = _begin(resource.api_version)
    if not head.startswith(begin):
        head = begin + head[head.index(_KIND) :]
    return b'%s%s"resourceVersion":"%d",%s' % (head, separator, record.revision, tail)


@cache
def _begin(api_version: str) -> bytes:
    return b'{"apiVersion":"%s' % api_version.encode()


def to_object(record: Record, resource: Resource) -> Obj:
    """The object at the resource's version, decoded, with its resourceVersion. One that was written by an older
    schema is as today's schema has it."""
    obj = conversion.from_stored(resource, raw(record))
    if record.revision < resource.since:
        obj, _ = resource.schema.conform(obj, defaults=True)
    return obj


def raw(record: Record) -> Obj:
    """The object as it is stored, decoded, with its resourceVersion."""
    obj = _decoder.decode(record.body)
    obj["metadata"] = {"resourceVersion": str(record.revision), **obj["metadata"]}
    return obj


def dump(value: Any) -> bytes:
    """JSON bytes."""
    return _encode(value)
