"""Checksums of what is stored. Pure.

They are for accidents: a flipped bit, a page of another time, a row that a hand has edited. Who can write to the disk
on purpose can also write a checksum, and would be kept out by nothing here but the seal. So CRC-32 is enough: it finds
every damage within 32 bits in a row, misses others once in 2**32, and costs a quarter of a cryptographic hash
(Koopman, "32-Bit Cyclic Redundancy Codes for Internet Applications", DSN 2002).
"""

from zlib import crc32

from starlink.store.base import Key


def of_object(key: Key, revision: int, stored: bytes) -> int:
    """Of an object at one revision, its body as it is stored."""
    return crc32(stored, crc32(f"{key.resource}\0{key.namespace}\0{key.name}\0{revision}\0".encode()))


def of_event(object_sum: int, change: str, previous_revision: int, previous: bytes | None) -> int:
    """Of an event; `object_sum` is that of the object as the event left it, so that no body is read twice."""
    return crc32(previous or b"", crc32(f"{change}\0{previous_revision}\0{previous is None}\0".encode(), object_sum))


def of_number(number: int) -> int:
    """Of a number that stands alone."""
    return crc32(str(number).encode())


def of_value(key: Key, stored: bytes) -> int:
    """Of a body under its key where the revision is not known when it is written."""
    return of_object(key, 0, stored)
