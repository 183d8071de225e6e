"""What stands around a body in etcd: a version and a checksum.

An envelope is the mark of sealed bodies, the version in the place of their format, CRC-32 of key and body, and the
body, sealed or plain. So a StarLink that knows no envelopes refuses one as sealed in a format of later; what it wrote
itself has none, and is read as it is. The key's prefix is not summed: a restore may change it.
"""

import struct

from starlink.store import checksum
from starlink.store.base import Key, StoreRefused
from starlink.store.seal import MARK, told

VERSION = 2

_HEADER = MARK + bytes([VERSION])
_CHECKSUM = struct.Struct(">I")
_LENGTH = len(_HEADER) + _CHECKSUM.size


class DamagedValue(StoreRefused):
    """A value that is not as it was written; the message names its key, and says what to do."""

    def __init__(self, key: Key, problem: str) -> None:
        super().__init__(
            f"{told(key)} in etcd is not as it was written: {problem}; restore a backup into another prefix, or, to go "
            "on without this object, remove its key with: etcdctl del KEY"
        )


def wrap(key: Key, stored: bytes) -> bytes:
    """The value for a body, which is sealed where it should be."""
    return _HEADER + _CHECKSUM.pack(checksum.of_value(key, stored)) + stored


def is_wrapped(value: bytes) -> bool:
    """Whether the value has an envelope."""
    return value.startswith(_HEADER)


def unwrap(key: Key, value: bytes) -> bytes:
    """The body in a value; a value without an envelope is one. Raises DamagedValue."""
    if not is_wrapped(value):
        return value
    stored = value[_LENGTH:]
    if value[len(_HEADER) : _LENGTH] != _CHECKSUM.pack(checksum.of_value(key, stored)):
        raise DamagedValue(key, "its checksum is another")
    return stored
