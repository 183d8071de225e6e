"""How objects lie in etcd: their keys below one prefix, their bodies sealed or plain.

An object's key is `PREFIX group/plural/namespace/name`. What lies directly below the prefix, without a
slash, is a note between servers; it is watched too, so that each server's revision goes on with it.
"""

import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlink.store.base import Change, Key, Record, anything
from starlink.store.etcd import envelope
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.envelope import DamagedValue
from starlink.store.seal import Seal

_ESCAPES = str.maketrans({"%": "%25", "/": "%2F"})
_AFTER_SLASH = b"0"


@dataclass(frozen=True, slots=True)
class Told:
    """One event as etcd tells it; `before` is the revision the key was at, 0 for none, None where it is not told."""

    change: Change
    record: Record
    before: int | None


class Layout:
    """One prefix, which ends with a slash, and one seal. `legible` says of a body that has no checksum whether it is
    the object of its key."""

    def __init__(self, prefix: str, seal: Seal, legible: Callable[[Key, bytes], bool] = anything) -> None:
        if not prefix.endswith("/"):
            raise ValueError(f"the prefix {prefix!r} must end with a slash, such as /starlink/")
        self.start = prefix.encode()
        self.end = self.start[:-1] + _AFTER_SLASH
        self.seal = seal
        self._legible = legible

    def __str__(self) -> str:
        return self.start.decode()

    def note(self, name: str) -> bytes:
        """The key of a note between servers."""
        return self.start + name.encode()

    def encode(self, key: Key) -> bytes:
        """The resource keeps its slashes; the last two slashes of a key set off namespace and name."""
        place = f"{key.resource}/{key.namespace.translate(_ESCAPES)}/{key.name.translate(_ESCAPES)}"
        return self.start + place.encode()

    def decode(self, raw: bytes) -> Key | None:
        """None for a note, and for a key that no StarLink wrote."""
        try:
            resource, namespace, name = raw.removeprefix(self.start).decode().rsplit("/", 2)
        except ValueError:
            return None
        return Key(resource, urllib.parse.unquote(namespace), urllib.parse.unquote(name))

    def pack(self, key: Key, body: bytes) -> bytes:
        """The value for a body."""
        return envelope.wrap(key, self.seal.seal(key, body))

    def unpack(self, key: Key, value: bytes) -> bytes:
        """The body in a value. Raises DamagedValue, and StoreRefused where the key of its seal is not here."""
        body = self.seal.unseal(key, envelope.unwrap(key, value))
        if not envelope.is_wrapped(value) and not self._legible(key, body):
            raise DamagedValue(key, "it can't be read")
        return body

    def record(self, kv: pb.KeyValue) -> Record | None:
        """The object, None where there is none. Raises as `unpack`."""
        key = self.decode(kv.key)
        return None if key is None else Record(key, kv.mod_revision, self.unpack(key, kv.value))

    def stale(self, kvs: Iterable[pb.KeyValue]) -> Iterable[Key]:
        """The objects that would be stored otherwise now."""
        for kv in kvs:
            key = self.decode(kv.key)
            if key is not None and self.seal.stale(key, envelope.unwrap(key, kv.value)):
                yield key

    def told(self, event: pb.Event) -> Told | None:
        """The event of an object, None for another; a deletion's body is empty. Raises as `unpack`."""
        key = self.decode(event.kv.key)
        if key is None:
            return None
        before = event.prev_kv.mod_revision or (0 if event.kv.version == 1 else None)
        if event.type == pb.Event.EventType.DELETE:
            return Told(Change.DELETE, Record(key, event.kv.mod_revision, b""), before)
        body = self.unpack(key, event.kv.value)
        return Told(Change.PUT, Record(key, event.kv.mod_revision, body), before)
