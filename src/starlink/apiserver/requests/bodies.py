"""Request bodies as objects: JSON, YAML, and protobuf of the built-in kinds."""

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from starlink.api import errors
from starlink.apiserver.protobuf_wire import BadProtobuf
from starlink.apiserver.requests import protobuf
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.schema import causes
from starlink.apiserver.schema.meta import part
from starlink.apiserver.validation import nesting, values
from starlink.http.message import Request

JSON = ("application/json", "text/json")
YAML = ("application/yaml", "application/apply-patch+yaml")
ACCEPTED = ("application/json", "application/yaml", protobuf.MEDIA)
MAX_YAML_VALUES = 20_000
"""Values of a body in YAML, which is read a hundred times more slowly than JSON: a third of a second's worth."""

_YAML_WEIGHT = 8
"""What a byte of YAML weighs, see `aside`: a value may be two bytes, and takes some 15 µs."""

Obj = dict[str, Any]


def _number(text: str) -> int | float:
    """A number with a fraction or an exponent. A whole one is kept as an integer, as Go writes what it has read so."""
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is more than can be held")
    return int(value) if value.is_integer() and abs(value) < _GO_WRITES_OUT else value


_GO_WRITES_OUT = 1e21
"""From here on Go writes a number with an exponent: https://pkg.go.dev/encoding/json#Marshal"""
MAX_DIGITS = 400
"""Digits of a whole number in JSON: those of the largest number with a fraction are 309, and to read more takes the
square of their count."""

MOST_EXACT_DIGITS = 18
"""Digits of a whole number that Go surely holds as one. It reads one that it can't as a number with a fraction."""
_INT64 = range(-(2**63), 2**63)

_EQUAL_DIGITS = bytes.maketrans(b"0123456789", b"0" * 10)
_TOO_LONG = b"0" * (MAX_DIGITS + 1)
_LONG = b"0" * (MOST_EXACT_DIGITS + 1)

_BODY = "the body of the request"
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=_number)
_exact_decoder = msgspec.json.Decoder(dict[str, Any])
_any_decoder = msgspec.json.Decoder(float_hook=_number)
_exact_any_decoder = msgspec.json.Decoder()


def media_type(request: Request) -> str:
    """The body's media type without parameters; JSON where none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() or "application/json"


def weight(request: Request) -> int:
    """What reading the body weighs, see `aside`."""
    if request.decoded is not None:
        return 0
    return len(request.body) * (_YAML_WEIGHT if media_type(request) in YAML else 1)


def read(request: Request, registry: Registry, *, exact: bool = False) -> Obj:
    """The body as one object; in `exact` JSON a number that is written with a fraction is no whole one, which of other
    bodies it may be. Raises StatusError 400, 413 or 415."""
    if request.decoded is not None:
        return request.decoded
    media = media_type(request)
    if media in JSON:
        value = _json_object(request.body, exact=exact)
        return value if _is_shallow(request.body) else nesting.checked(value, _BODY)
    if media in YAML:
        return nesting.checked(_yaml(request.body), _BODY)
    if media == protobuf.MEDIA:
        return nesting.checked(_protobuf(request.body, registry), _BODY)
    raise errors.unsupported_media_type(ACCEPTED)


def read_json(body: bytes, *, exact: bool = False) -> Any:
    """Any JSON value, for patches; `exact` as for `read`. Raises StatusError 400 or 413."""
    _check_size(body)
    try:
        value = _exact_any_decoder.decode(body) if exact else _rounded(body, _any_decoder.decode(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError) as error:
        raise errors.bad_request(f"the patch is not JSON: {error}") from None
    return value if _is_shallow(body) else nesting.checked(value, _BODY)


def doubled(request: Request, value: Any) -> tuple[str, ...]:
    """The paths of the first fields that a JSON body, of which `value` was read, says more than once."""
    return () if media_type(request) in (*YAML, protobuf.MEDIA) else _twice(request.body, value)


def _twice(body: bytes, value: Any) -> tuple[str, ...]:
    if b"\\u" not in body and body.count(b":") == msgspec.json.encode(value).count(b":"):
        return ()  # a field that is said again adds a colon, and only escapes could take one away
    try:
        pairs = json.loads(body, object_pairs_hook=_Pairs, parse_int=str, parse_float=str)
    except ValueError:
        return ()
    return tuple(islice(dict.fromkeys(_said_again(pairs, ())), errors.MOST_CAUSES + 1))


class _Pairs(list[tuple[str, Any]]):
    """The fields of one JSON object as they were said."""


def _said_again(value: Any, place: tuple[Any, ...]) -> Iterator[str]:
    """`place` is where the value lies: the place of what holds it, and its name or number there."""
    if isinstance(value, _Pairs):
        seen = set()
        for name, part in value:
            here = (place, name)
            if name in seen:
                yield _path(here)
            seen.add(name)
            yield from _said_again(part, here)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _said_again(part, (place, index))


def _path(place: tuple[Any, ...]) -> str:
    steps: list[str | int] = []
    while place:
        place, step = place
        steps.append(step)
    return causes.path_of(steps[::-1])


def _check_size(body: bytes) -> None:
    """Raises StatusError 413 for JSON of too many values, and 400 for a number that is too long to be read."""
    values.check(body, _BODY)
    _check_digits(body)


def _check_digits(body: bytes) -> None:
    """Text may hold as many digits as it likes. Raises StatusError 400."""
    if _has_long_number(body) and _has_long_number(b"".join(values.unquoted(body))):
        raise errors.bad_request(f"{_BODY} has a number of more than {MAX_DIGITS} digits; send it as text")


def _has_long_number(text: bytes) -> bool:
    return _TOO_LONG in text.translate(_EQUAL_DIGITS)


def _rounded(body: bytes, value: Any) -> Any:
    """What was read of JSON, with whole numbers that Go can't hold as the nearest that it can."""
    return _with_rounded(value) if _LONG in body.translate(_EQUAL_DIGITS) else value


def _with_rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_rounded(part) for part in value]
    if type(value) is not int or value in _INT64:
        return value
    nearest = float(value)
    return int(Decimal(repr(nearest))) if abs(nearest) < _GO_WRITES_OUT else nearest


def _json_object(body: bytes, *, exact: bool) -> Obj:
    _check_size(body)
    try:
        return _exact_decoder.decode(body) if exact else _rounded(body, _decoder.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise errors.bad_request(f"the body of the request is not a JSON object: {error}") from None


def _yaml(body: bytes) -> Obj:
    """YAML, and above all the JSON that clients of server-side apply send by its name."""
    is_json = body.lstrip().startswith(b"{")
    if is_json and (value := _plain_json(body)) is not None:
        return value
    from starlink.manifest import BadManifest, TooManyValues, load_all  # PyYAML, for the few clients that send YAML

    try:
        documents = load_all(body.decode("utf-8"), _BODY, MAX_YAML_VALUES)
    except TooManyValues as error:
        if is_json:  # which has a limit of its own
            values.check(body, _BODY)
        raise errors.bad_request(f"error decoding YAML: {error}; as JSON it may have more") from None
    except (BadManifest, UnicodeDecodeError, ValueError) as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise errors.bad_request(f"{_BODY} must be one YAML document that holds an object")
    return documents[0]


def _plain_json(body: bytes) -> Obj | None:
    """What a body says as JSON, None for what is none, for too much, and for what says a field twice: which YAML
    refuses."""
    if values.is_too_many(body):
        return None
    _check_digits(body)
    try:
        value = _rounded(body, _decoder.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        return None
    return None if _twice(body, value) else value


def _protobuf(body: bytes, registry: Registry) -> Obj:
    def schema_of(api_version: str, kind: str) -> Any:
        if kind == "DeleteOptions":
            return part("DeleteOptions")
        resource = registry.find_kind(api_version, kind)
        return resource.schema.openapi if resource is not None and not resource.custom else None

    try:
        return protobuf.decode(body, schema_of)
    except protobuf.UnknownKind:
        raise errors.unsupported_media_type(ACCEPTED[:-1]) from None
    except protobuf.TooManyFields:
        raise values.too_many(_BODY) from None
    except BadProtobuf as error:
        raise errors.bad_request(f"the body of the request can't be read as protobuf: {error}") from None


def _is_shallow(body: bytes) -> bool:
    """Whether JSON has too few brackets to be nested too deep, which is cheap to see."""
    return body.count(b"{") + body.count(b"[") <= nesting.MAX_DEPTH
