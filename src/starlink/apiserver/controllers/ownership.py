"""Who belongs to whom, as far as the store has told: the garbage collector's index. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Set
from typing import Any

import msgspec

from starlink.apiserver.names import CRD_FINALIZER, FOREGROUND, NAMESPACES, ORPHAN
from starlink.store.base import Change, Event, Key, Record

_OURS = {FOREGROUND, ORPHAN, CRD_FINALIZER}


class Owner(msgspec.Struct, frozen=True):
    """What an object says of one of its owners."""

    uid: str
    apiVersion: str = ""
    kind: str = ""
    name: str = ""
    blockOwnerDeletion: bool = False


class Metadata(msgspec.Struct):
    """What garbage collection goes by."""

    uid: str
    finalizers: list[str] = []
    deletionTimestamp: str | None = None
    ownerReferences: list[Owner] = []


class _Head(msgspec.Struct):
    metadata: Metadata


_head = msgspec.json.Decoder(_Head)
_loose = msgspec.json.Decoder(dict[str, Any])

UNKNOWN = ""
"""The uid of what is there and can't be read: it may be anybody's owner, so that it is never taken for gone."""


def metadata(record: Record) -> Metadata:
    """The metadata of a stored object. What can't be read of it is taken for nothing, but an owner for one of a kind
    that nobody knows, so that the object is kept."""
    try:
        return _head.decode(record.body).metadata
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _what_can_be_read(record.body)


def _what_can_be_read(body: bytes) -> Metadata:
    try:
        found = _loose.decode(body).get("metadata")
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    meta = found if isinstance(found, dict) else {}
    uid, deleted = meta.get("uid"), meta.get("deletionTimestamp")
    finalizers, owners = (given if isinstance(given := meta.get(field), list) else [] for field in _LISTS)
    return Metadata(
        uid=uid if isinstance(uid, str) else UNKNOWN,
        finalizers=[one for one in finalizers if isinstance(one, str)],
        deletionTimestamp=deleted if isinstance(deleted, str) else None,
        ownerReferences=[_owner(one) for one in owners],
    )


def _owner(given: Any) -> Owner:
    told = given if isinstance(given, dict) else {}
    parts = {field: value for field in _TEXTS if isinstance(value := told.get(field), str)}
    return Owner(**{"uid": UNKNOWN, **parts}, blockOwnerDeletion=told.get("blockOwnerDeletion") is True)


_LISTS = ("finalizers", "ownerReferences")
_TEXTS = ("uid", "apiVersion", "kind", "name")


class Ownership:
    """The owners and dependents of all objects, and the objects that wait for the collector."""

    def __init__(self) -> None:
        self._uids: dict[Key, str] = {}
        self._live: dict[str, Key] = {}
        self._dependents: dict[str, set[Key]] = defaultdict(set)
        self._owners: dict[Key, tuple[str, ...]] = {}
        self._waiting: set[Key] = set()  # marked for deletion, held by a finalizer that is the collector's to take

    def uid_at(self, key: Key) -> str | None:
        """The uid of what is there; None for nothing."""
        return self._uids.get(key)

    def place_of(self, uid: str) -> Key | None:
        """Where the object with the uid is; None when there is none."""
        return self._live.get(uid)

    def dependents(self, uid: str) -> list[Key]:
        return sorted(self._dependents.get(uid, ()))

    @property
    def all(self) -> Set[Key]:
        """Every object that may be due."""
        return set(self._owners) | self._waiting

    def learn(self, record: Record) -> None:
        """Takes note of an object as it is now."""
        key, meta = record.key, metadata(record)
        self._forget(key)
        self._uids[key] = meta.uid
        if meta.uid != UNKNOWN:
            self._live[meta.uid] = key
        if meta.ownerReferences:
            self._owners[key] = tuple(owner.uid for owner in meta.ownerReferences)
            for uid in self._owners[key]:
                self._dependents[uid].add(key)
        if meta.deletionTimestamp and (key.resource == NAMESPACES or not _OURS.isdisjoint(meta.finalizers)):
            self._waiting.add(key)

    def affected(self, events: Iterable[Event]) -> set[Key]:
        """Takes note of events; gives the objects to look at after them."""
        due: set[Key] = set()
        for event in events:
            key = event.record.key
            if event.change is Change.PUT:
                self.learn(event.record)
                due.add(key)
            else:
                uid = self._uids.get(key)
                self._forget(key)
                due |= self._dependents.get(uid, set()) if uid else set()
                due |= self._waiting  # a namespace, CRD or owner may have waited for this one
        return {key for key in due if key in self._owners or key in self._waiting}

    def _forget(self, key: Key) -> None:
        uid = self._uids.pop(key, None)
        if uid is not None:
            self._live.pop(uid, None)
        for owner in self._owners.pop(key, ()):
            self._dependents[owner].discard(key)
            if not self._dependents[owner]:
                del self._dependents[owner]
        self._waiting.discard(key)
