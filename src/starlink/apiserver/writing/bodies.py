"""Request bodies as objects: JSON, YAML, and protobuf of the built-in kinds."""

import json
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from starlink.apiserver import errors, kinds
from starlink.apiserver.message import Request
from starlink.apiserver.resource import Registry
from starlink.apiserver.writing import protobuf
from starlink.manifest import BadManifest, load_all

JSON = ("application/json", "text/json")
YAML = ("application/yaml", "application/apply-patch+yaml")
ACCEPTED = ("application/json", "application/yaml", protobuf.MEDIA)
MAX_DEPTH = 100

Obj = dict[str, Any]
T = TypeVar("T")


def _number(text: str) -> int | float:
    """A number with a fraction or an exponent. A whole one is kept as an integer, as Go writes what it has read so."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < _GO_WRITES_OUT else value


_GO_WRITES_OUT = 1e21
"""From here on Go writes a number with an exponent: https://pkg.go.dev/encoding/json#Marshal"""
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=_number)
_any_decoder = msgspec.json.Decoder(float_hook=_number)


def media_type(request: Request) -> str:
    """The body's media type without parameters; JSON where none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() or "application/json"


def read(request: Request, registry: Registry) -> Obj:
    """The body as one object. Raises StatusError 400 or 415."""
    media = media_type(request)
    if media in JSON:
        value = _json_object(request.body)
        return value if _is_shallow(request.body) else _checked(value)
    if media in YAML:
        return _checked(_yaml(request.body))
    if media == protobuf.MEDIA:
        return _protobuf(request.body, registry)
    raise errors.unsupported_media_type(ACCEPTED)


def read_json(body: bytes) -> Any:
    """Any JSON value, for patches. Raises StatusError 400."""
    try:
        value = _any_decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise errors.bad_request(f"the patch is not JSON: {error}") from None
    return value if _is_shallow(body) else _checked(value)


def doubled(request: Request, value: Any) -> tuple[str, ...]:
    """The paths of the fields that a JSON body, of which `value` was read, says more than once."""
    body = request.body
    if media_type(request) in (*YAML, protobuf.MEDIA):
        return ()
    if b"\\u" not in body and body.count(b":") == msgspec.json.encode(value).count(b":"):
        return ()  # a field that is said again adds a colon, and only escapes could take one away
    try:
        pairs = json.loads(body, object_pairs_hook=_Pairs, parse_int=str, parse_float=str)
    except ValueError:
        return ()
    return tuple(dict.fromkeys(_said_again(pairs, "")))


class _Pairs(list[tuple[str, Any]]):
    """The fields of one JSON object as they were said."""


def _said_again(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen = set()
        for name, part in value:
            here = f"{path}.{name}" if path else name
            if name in seen:
                yield here
            seen.add(name)
            yield from _said_again(part, here)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _said_again(part, f"{path}[{index}]")


def _json_object(body: bytes) -> Obj:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.bad_request(f"the body of the request is not a JSON object: {error}") from None


def _yaml(body: bytes) -> Obj:
    try:
        documents = load_all(body.decode("utf-8"), "the body of the request")
    except (BadManifest, UnicodeDecodeError, ValueError) as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise errors.bad_request("the body of the request must be one YAML document that holds an object")
    return documents[0]


def _protobuf(body: bytes, registry: Registry) -> Obj:
    def schema_of(api_version: str, kind: str) -> Any:
        if kind == "DeleteOptions":
            return kinds.part("DeleteOptions")
        resource = registry.find_kind(api_version, kind)
        return resource.schema.openapi if resource is not None and not resource.custom else None

    try:
        return protobuf.decode(body, schema_of)
    except protobuf.UnknownKind:
        raise errors.unsupported_media_type(ACCEPTED[:-1]) from None
    except protobuf.BadProtobuf as error:
        raise errors.bad_request(f"the body of the request can't be read as protobuf: {error}") from None


def _is_shallow(body: bytes) -> bool:
    """Whether JSON has too few brackets to be nested too deep, which is cheap to see."""
    return body.count(b"{") + body.count(b"[") <= MAX_DEPTH


def _checked(value: T) -> T:
    """The value, if it is not nested too deep for what walks it. Raises StatusError 400."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return value
        parts = (item.values() if isinstance(item, dict) else item for item in level)
        level = [below for part in parts for below in part if isinstance(below, dict | list)]
    raise errors.bad_request(f"the body of the request is nested more than {MAX_DEPTH} deep")
