"""The last object that was seen to change: by it a history is told from another one that is as long. Pure.

Two histories that parted have revisions of the same numbers. What happened at one of them is the same in both only as
far as they are one.
"""

import hashlib
import struct
from collections.abc import Iterable
from typing import NamedTuple, Self

from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.layout import Layout

_DIGEST_BYTES = 16
_HEAD = struct.Struct(f">BQ{_DIGEST_BYTES}s")
_GONE = bytes(_DIGEST_BYTES)


class Witness(NamedTuple):
    """The key, the revision of its change, and a digest of the value it was given, zeros where it was deleted.
    `refused` is whether etcd has been found to have another history since."""

    raw: bytes
    revision: int
    digest: bytes
    refused: bool = False

    @classmethod
    def of_value(cls, kv: pb.KeyValue) -> Self:
        """Of a key as it was read."""
        return cls(kv.key, kv.mod_revision, _digest(kv.value))

    @classmethod
    def parse(cls, packed: bytes) -> Self | None:
        """None for nothing."""
        if len(packed) <= _HEAD.size:
            return None
        refused, revision, digest = _HEAD.unpack_from(packed)
        return cls(packed[_HEAD.size :], revision, digest, bool(refused))

    def pack(self) -> bytes:
        return _HEAD.pack(self.refused, self.revision, self.digest) + self.raw

    @property
    def deleted(self) -> bool:
        return self.digest == _GONE

    def is_borne_out(self, now: Iterable[pb.KeyValue], before: Iterable[pb.KeyValue]) -> bool:
        """Whether what the key held at the revision, and just before it, is what was seen."""
        if self.deleted:
            return not any(now) and any(before)
        return any(self.is_held_by(kv) for kv in now)

    def is_held_by(self, kv: pb.KeyValue) -> bool:
        return (kv.mod_revision, _digest(kv.value)) == (self.revision, self.digest)


def last_of(layout: Layout, kvs: Iterable[pb.KeyValue]) -> Witness | None:
    """That of all that was read; None without objects."""
    objects = (kv for kv in kvs if layout.decode(kv.key) is not None)
    newest = max(objects, key=lambda kv: kv.mod_revision, default=None)
    return None if newest is None else Witness.of_value(newest)


def last_seen(layout: Layout, events: Iterable[pb.Event]) -> Witness | None:
    """That of events in their order; None where none is of an object."""
    for event in reversed(tuple(events)):
        if layout.decode(event.kv.key) is None:
            continue
        if event.type == pb.Event.EventType.DELETE:
            return Witness(event.kv.key, event.kv.mod_revision, _GONE)
        return Witness.of_value(event.kv)
    return None


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_DIGEST_BYTES).digest()
