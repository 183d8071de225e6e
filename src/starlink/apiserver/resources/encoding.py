"""Objects as bytes: in the store without a resourceVersion, on the wire with it."""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from starlink.api.errors import StatusError
from starlink.apiserver.resources import conversion
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Key, Record, Store
from starlink.store.seal import told

log = logging.getLogger(__name__)

_ORDER = ("apiVersion", "kind", "metadata")

_decoder = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.encode

Obj = dict[str, Any]
T = TypeVar("T")


def to_stored(obj: Obj) -> bytes:
    """The bytes to keep: apiVersion, kind and metadata first, no resourceVersion."""
    metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    ordered = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    ordered.update((k, v) for k, v in obj.items() if k not in _ORDER)
    return _encode(ordered)


def to_wire(record: Record, resource: Resource) -> bytes:
    """The object's JSON at the resource's version, with its resourceVersion."""
    begin = _begin(resource.api_version, resource.kind)
    body = record.body
    if body.startswith(begin) and record.revision >= resource.since:
        return b'%b"resourceVersion":"%d",%b' % (begin, record.revision, body[len(begin) :])
    return _encode(to_object(record, resource))


def list_to_wire(records: Iterable[Record], resource: Resource, head: bytes, tail: bytes) -> bytes:
    """The objects' JSON, with commas between, after `head` and before `tail`. What is stored is copied once."""
    begin = _begin(resource.api_version, resource.kind)
    length, since = len(begin), resource.since
    opening = b",%b" % begin + b'"resourceVersion":"'
    parts: list[bytes | memoryview] = [head]
    for record in records:
        body = record.body
        if body.startswith(begin) and record.revision >= since:
            parts += (opening, b'%d",' % record.revision, memoryview(body)[length:])
        else:
            parts += (b",", to_wire(record, resource))
    if len(parts) > 1:
        parts[1] = parts[1][1:]
    parts.append(tail)
    return b"".join(parts)


@cache
def _begin(api_version: str, kind: str) -> bytes:
    return b'{"apiVersion":"%b","kind":"%b","metadata":{' % (api_version.encode(), kind.encode())


class Unreadable(StatusError):
    """What is stored is no object: a 500 for who asks for it, and for nobody else."""


def readable(records: Sequence[Record], resource: Resource) -> Sequence[Record]:
    """The records but for those that are no objects, which are logged: a list is not to fail for one of them."""
    return [record for record in records if _is_readable(record, resource)]


def _is_readable(record: Record, resource: Resource) -> bool:
    try:
        to_object(record, resource)
    except Unreadable as error:
        log.error("an object is left out of a list: %s", error)
        return False
    return True


def to_object(record: Record, resource: Resource) -> Obj:
    """The object at the resource's version, decoded, with its resourceVersion. One that was written by an older
    schema is as today's schema has it. Raises Unreadable."""
    obj = conversion.from_stored(resource, raw(record))
    if record.revision < resource.since:
        obj, _ = resource.schema.conform(obj, defaults=True)
    return obj


class _Labelled(msgspec.Struct):
    labels: dict[str, Any] | None = None


class _Metadata(msgspec.Struct, Generic[T]):
    metadata: T


_decode_labels = msgspec.json.Decoder(_Metadata[_Labelled]).decode


def labels(record: Record) -> dict[str, Any]:
    """The labels alone, which takes a tenth of decoding the object. Raises Unreadable."""
    try:
        return _decode_labels(record.body).metadata.labels or {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw(record)["metadata"].get("labels") or {}


class _Named(msgspec.Struct):
    name: str


class _Partial(msgspec.Struct):
    api_version: str = msgspec.field(name="apiVersion")
    kind: str
    metadata: msgspec.Raw


_decode_partial = msgspec.json.Decoder(_Partial).decode
_decode_named = msgspec.json.Decoder(_Named).decode


def metadata(record: Record) -> bytes:
    """The JSON of the metadata with its resourceVersion, without a look at the rest. Raises Unreadable."""
    try:
        found = _decode_partial(record.body)
        if found.api_version and found.kind and _decode_named(found.metadata).name:
            return b'{"resourceVersion":"%d",%b' % (record.revision, bytes(found.metadata).lstrip()[1:])
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    return dump(raw(record)["metadata"])


def raw(record: Record) -> Obj:
    """The object as it is stored, decoded, with its resourceVersion. Raises Unreadable."""
    try:
        obj = _decoder.decode(record.body)
        obj["metadata"] = {"resourceVersion": str(record.revision), **obj["metadata"]}
        if not (obj["apiVersion"] and obj["kind"] and obj["metadata"]["name"]):
            raise KeyError("an empty one")
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        why = f"what is stored as {told(record.key)} is no object; restore a backup"
        raise Unreadable(500, "InternalError", why) from None
    return obj


def finder(store: Store) -> Callable[[Key], Obj | None]:
    """A function that gives an object by its key, None when there is none."""

    def find(key: Key) -> Obj | None:
        record = store.get(key)
        return raw(record) if record is not None else None

    return find


def dump(value: Any) -> bytes:
    """JSON bytes."""
    return _encode(value)
