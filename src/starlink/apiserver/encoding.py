"""Objects as bytes: in the store without a resourceVersion, on the wire with it."""

from typing import Any

import msgspec

from starlink.apiserver import errors
from starlink.store.base import Record

JSON = {"content-type": "application/json"}
_METADATA = b'"metadata":{'
_ORDER = ("apiVersion", "kind", "metadata")

_decoder = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.encode

Obj = dict[str, Any]


def to_stored(obj: Obj) -> bytes:
    """The bytes to keep: apiVersion, kind and metadata first, no resourceVersion, no managedFields."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    ordered = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    ordered.update((k, v) for k, v in obj.items() if k not in _ORDER)
    return _encode(ordered)


def to_wire(record: Record) -> bytes:
    """The object's JSON with its resourceVersion."""
    head, separator, tail = record.body.partition(_METADATA)
    return b'%s%s"resourceVersion":"%d",%s' % (head, separator, record.revision, tail)


def to_object(record: Record) -> Obj:
    """The object, decoded, with its resourceVersion."""
    return _decoder.decode(to_wire(record))


def read_object(body: bytes, content_type: str = "application/json") -> Obj:
    """A request's body as a JSON object. Raises StatusError 400 or 415."""
    media = content_type.partition(";")[0].strip().lower() or "application/json"
    if media not in ("application/json", "text/json", "application/merge-patch+json"):
        raise errors.unsupported_media_type(media, ("application/json",))
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.bad_request(f"the body of the request is not a JSON object: {error}") from None


def dump(value: Any) -> bytes:
    """JSON bytes."""
    return _encode(value)
