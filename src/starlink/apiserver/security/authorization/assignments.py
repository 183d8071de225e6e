"""Which Secrets and ConfigMaps the assignments of a server refer to.

The store is followed event by event, and an assignment looked into only when its own server's agent asks.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from starlink.api.errors import StatusError
from starlink.apiserver.resources import encoding
from starlink.apiserver.security.authorization.agent_writes import ASSIGNMENTS
from starlink.store.base import Change, Event, Expired, Key, Record, Store, StoreUnavailable, Watch

_WORDS = {"secrets": "secretKeyRef", "configmaps": "configMapKeyRef"}


class _Spec(msgspec.Struct):
    server: str


class _Placed(msgspec.Struct):
    spec: _Spec


_decode = msgspec.json.Decoder(_Placed).decode


class _Assignment:
    """One of a server."""

    __slots__ = ("_referred", "record", "server")

    def __init__(self, record: Record, server: str) -> None:
        self.record = record
        self.server = server
        self._referred: frozenset[tuple[str, str]] | None = None

    @property
    def referred(self) -> frozenset[tuple[str, str]]:
        """The resources and names that it refers to."""
        if self._referred is None:
            self._referred = frozenset(_references(self.record))
        return self._referred


def _references(record: Record) -> Iterator[tuple[str, str]]:
    try:
        spec = encoding.raw(record)["spec"]
    except StatusError:  # what is no object refers to nothing
        return
    for resource, word in _WORDS.items():
        for name in _referred(spec, word):
            yield resource, name


class Assignments:
    """The committed assignments of one store, by server and namespace."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: Watch | None = None
        self._all: dict[Key, _Assignment] = {}
        self._by_place: dict[tuple[str, str], dict[Key, _Assignment]] = defaultdict(dict)

    def refer(self, server: str, resource: str, namespace: str, name: str) -> bool:
        """Whether an assignment of the server refers to a Secret or ConfigMap of its namespace."""
        self.follow()
        of_server = self._by_place.get((server, namespace), {})
        return any((resource, name) in assignment.referred for assignment in of_server.values())

    def follow(self) -> None:
        """Takes note of what has changed."""
        try:
            while self._events is None or self._events.behind:
                if self._events is None:
                    raise Expired("nothing is known yet")
                for event in self._events.take():
                    self._note(event)
        except (Expired, StoreUnavailable):
            self._begin()

    def _begin(self) -> None:
        """Takes note of all that is there; those that are still the same are not read again."""
        store, before = self._store, self._all
        self._events = store.watch(ASSIGNMENTS, None, store.revision)
        self._all, self._by_place = {}, defaultdict(dict)
        for record in store.list(ASSIGNMENTS):
            known = before.get(record.key)
            self._add(record, known if known is not None and known.record is record else _read(record))

    def _note(self, event: Event) -> None:
        key = event.record.key
        before = self._all.pop(key, None)
        if before is not None:
            self._remove(key, before)
        if event.change is Change.PUT:
            self._add(event.record, _read(event.record))

    def _add(self, record: Record, assignment: _Assignment | None) -> None:
        if assignment is not None:
            self._all[record.key] = assignment
            self._by_place[assignment.server, record.key.namespace][record.key] = assignment

    def _remove(self, key: Key, assignment: _Assignment) -> None:
        place = assignment.server, key.namespace
        del self._by_place[place][key]
        if not self._by_place[place]:
            del self._by_place[place]


def _read(record: Record) -> _Assignment | None:
    """None for what names no server."""
    try:
        return _Assignment(record, _decode(record.body).spec.server)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _referred(spec: Any, word: str) -> Iterator[str]:
    """The names in all references of one kind, wherever in the spec they are."""
    if isinstance(spec, dict):
        reference = spec.get(word)
        if isinstance(reference, dict) and isinstance(reference.get("name"), str):
            yield reference["name"]
    parts = spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ()
    for part in parts:
        yield from _referred(part, word)
