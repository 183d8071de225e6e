"""Kubernetes' protobuf request bodies as objects. Pure.

The envelope is `k8s\\0` and a runtime.Unknown; field numbers stand in the schemas of `kinds/` as
`x-protobuf`. https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding. Only reading: answers are
JSON, which every client that sends protobuf accepts.
"""

import base64
import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from starlink.apiserver.protobuf_wire import BadProtobuf, fields
from starlink.apiserver.validation import values

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"
_MAX_DEPTH = 32

Obj = dict[str, Any]
Schema = Mapping[str, Any]
SchemaOf = Callable[[str, str], Schema | None]


class UnknownKind(BadProtobuf):
    """The kind has no field numbers: it is not read as protobuf."""


class TooManyFields(BadProtobuf):
    """There are more fields than values are read."""


def decode(body: bytes, schema_of: SchemaOf) -> Obj:
    """The object in an envelope. `schema_of` gives the schema of an apiVersion and kind, None when it has
    no field numbers. Raises BadProtobuf, UnknownKind, TooManyFields."""
    if not body.startswith(_MAGIC):
        raise BadProtobuf("the body does not begin with the bytes k8s and 0")
    return _Reading(values.MAX_VALUES).envelope(body[len(_MAGIC) :], schema_of)


class _Reading:
    """One reading, of at most so many fields."""

    def __init__(self, most: int) -> None:
        self._left = most

    def envelope(self, data: bytes, schema_of: SchemaOf) -> Obj:
        """A runtime.Unknown."""
        api_version = kind = ""
        raw = b""
        for number, value in self._fields(data):
            if number == 1:
                for part, text in self._fields(_bytes(value, "typeMeta")):
                    if part == 1:
                        api_version = _text(text, "typeMeta.apiVersion")
                    elif part == 2:
                        kind = _text(text, "typeMeta.kind")
            elif number == 2:
                raw = _bytes(value, "raw")
        schema = schema_of(api_version, kind)
        if schema is None:
            raise UnknownKind(f"{api_version or '?'} {kind or '?'} is not read as protobuf; send it as JSON")
        return {"apiVersion": api_version, "kind": kind, **self._message(raw, schema, kind, 0)}

    def _fields(self, data: bytes) -> Iterator[tuple[int, int | bytes]]:
        for field in fields(data):
            self._charge(1)
            yield field

    def _charge(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise TooManyFields("there are too many fields")

    def _message(self, data: bytes, schema: Schema, path: str, depth: int) -> Obj:
        if depth > _MAX_DEPTH:
            raise BadProtobuf(f"{path} is nested more than {_MAX_DEPTH} deep")
        known = {
            part["x-protobuf"]: (name, part)
            for name, part in schema.get("properties", {}).items()
            if "x-protobuf" in part
        }
        obj: Obj = {}
        for number, value in self._fields(data):
            if number not in known:
                raise BadProtobuf(f"{path} has a field {number}, which is not known; send it as JSON")
            name, part = known[number]
            here = f"{path}.{name}"
            if part.get("type") == "array":
                obj.setdefault(name, []).append(self._value(value, part["items"], here, depth))
            elif "additionalProperties" in part:
                key, entry = self._entry(_bytes(value, here), part["additionalProperties"], here, depth)
                obj.setdefault(name, {})[key] = entry
            else:
                obj[name] = self._value(value, part, here, depth)
        return {name: value for name, value in obj.items() if not _unset(value, schema["properties"][name])}

    def _entry(self, data: bytes, schema: Schema, path: str, depth: int) -> tuple[str, Any]:
        """One pair of a map: field 1 is the key, field 2 the value."""
        key, value = "", None
        for number, part in self._fields(data):
            if number == 1:
                key = _text(part, path)
            elif number == 2:
                value = self._value(part, schema, f"{path}[{key}]", depth)
        if value is None:
            value = [] if schema.get("type") == "array" else ""
        return key, value

    def _value(self, value: int | bytes, schema: Schema, path: str, depth: int) -> Any:
        format_ = schema.get("format")
        match schema.get("type"):
            case "boolean":
                return bool(_integer(value, path))
            case "integer":
                return _integer(value, path)
            case "string" if format_ == "date-time":
                return self._time(_bytes(value, path), path)
            case "string" if format_ == "byte":
                return base64.b64encode(_bytes(value, path)).decode()
            case "string":
                return _text(value, path)
            case "array":  # the value of a map, in a message of its own
                return [
                    self._value(item, schema["items"], path, depth) for _, item in self._fields(_bytes(value, path))
                ]
            case _ if schema.get("x-kubernetes-preserve-unknown-fields"):
                return self._raw(_bytes(value, path), path)
            case _:
                return self._message(_bytes(value, path), schema, path, depth + 1)

    def _time(self, data: bytes, path: str) -> str | None:
        """A Time or MicroTime: seconds and nanoseconds since the epoch. An empty one is no time."""
        parts = {number: _integer(value, path) for number, value in self._fields(data)}
        if not parts.get(1) and not parts.get(2):
            return None
        seconds, nanoseconds = parts.get(1, 0), parts.get(2, 0)
        try:
            moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        except (ValueError, OverflowError, OSError):
            raise BadProtobuf(f"{path}: {seconds} seconds are no time") from None
        fraction = f".{nanoseconds // 1000:06d}" if nanoseconds else ""
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"

    def _raw(self, data: bytes, path: str) -> Any:
        """A RawExtension or FieldsV1: JSON in field 1."""
        for number, value in self._fields(data):
            if number == 1:
                return self._json(_bytes(value, path), path)
        return {}

    def _json(self, text: bytes, path: str) -> Any:
        if values.is_too_many(text):
            raise TooManyFields(f"{path} holds too many values")
        try:
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            raise BadProtobuf(f"{path} does not hold JSON") from None
        self._charge(values.amount(found))
        return found


def _unset(value: Any, schema: Schema) -> bool:
    """Whether it is the zero that Go's encoder writes for a field that was not set."""
    if value is None:
        return True
    return value in ("", 0, False) and not schema.get("nullable") and isinstance(value, str | int)


def _integer(value: int | bytes, path: str) -> int:
    if isinstance(value, bytes):
        raise BadProtobuf(f"{path} must be a number")
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value


def _bytes(value: int | bytes, path: str) -> bytes:
    if isinstance(value, int):
        raise BadProtobuf(f"{path} must not be a number")
    return value


def _text(value: int | bytes, path: str) -> str:
    try:
        return _bytes(value, path).decode("utf-8")
    except UnicodeDecodeError:
        raise BadProtobuf(f"{path} is not UTF-8") from None
