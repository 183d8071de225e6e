"""Protobuf as it is on the wire: the fields of a message, without their names, read and written. Pure.

https://protobuf.dev/programming-guides/encoding/
"""

import struct
from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class BadProtobuf(ValueError):
    """The bytes are not what the schema says; the message says where."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message, each a number and what it holds. Raises BadProtobuf."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == _VARINT:
            value, position = _varint(data, position)
        elif wire in (_BYTES, _FIXED64, _FIXED32):
            if wire == _BYTES:
                length, position = _varint(data, position)
            else:
                length = 8 if wire == _FIXED64 else 4
            if position + length > end:
                raise BadProtobuf(f"field {number} is cut off")
            value, position = data[position : position + length], position + length
        else:
            raise BadProtobuf(f"field {number} has the wire type {wire}, which is not used")
        yield number, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise BadProtobuf("a number is cut off or too long")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def field(number: int, value: str | bytes | int | float) -> bytes:
    """One field of a message: text, a message's own bytes, a whole number that is not negative, or a double."""
    if isinstance(value, float):
        return _encoded_varint(number << 3 | _FIXED64) + struct.pack("<d", value)
    if isinstance(value, int):
        return _encoded_varint(number << 3 | _VARINT) + _encoded_varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _encoded_varint(number << 3 | _BYTES) + _encoded_varint(len(data)) + data


def _encoded_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
