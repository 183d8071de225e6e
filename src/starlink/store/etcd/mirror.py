"""What etcd holds, in memory: changed by its watch alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from starlink.store.base import Change, Event, Expired, Key, Record, Topic
from starlink.store.etcd.errors import Stale
from starlink.store.etcd.layout import Told
from starlink.store.etcd.witness import Witness
from starlink.store.eventlog import Subscription
from starlink.store.state import State


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read from etcd: the objects at `revision`, and the events after `floor` that led there.

    `stale` are the objects that would be stored otherwise now (`Seal.stale`), `witness` is of the last change of one.
    """

    records: Sequence[Record]
    events: Sequence[Event]
    floor: int
    revision: int
    stale: Sequence[Key] = ()
    witness: Witness | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """The record that a key held at revision `at`, None when it held none. An answer told it before the watch did."""

    at: int
    record: Record | None


class Mirror:
    """The committed objects, their recent events, and what is already known to come."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._ahead: dict[Key, _Known] = {}
        self._waiting: dict[asyncio.Future[None], int] = {}
        self.state = State(kept)

    @property
    def revision(self) -> int:
        return self.state.revision

    def start(self, contents: Contents) -> None:
        """Begins, or begins again, with what was read; those who watch must list again."""
        before, self.state = self.state, State(self._kept)
        self.state.load(contents.records, contents.revision)
        self.state.history.start_at(contents.floor)
        self.state.history.publish(contents.events)
        self._ahead.clear()
        before.history.end(Expired("the store had to be read again; list again"))
        self._wake()

    def watch(
        self, resource: str | None, namespace: str | None, since: int, topic: Topic | None = None
    ) -> Subscription:
        """Raises Expired."""
        return self.state.history.watch(resource, namespace, since, topic)

    def close(self) -> None:
        """Ends every watch."""
        self.state.history.close()

    # What is on its way

    def latest(self, key: Key) -> Record | None:
        """The object as the last answer told it, be it before the watch."""
        known = self._ahead.get(key)
        return self.state.get(key) if known is None else known.record

    def learn(self, key: Key, at: int, record: Record | None) -> None:
        """An answer told what a key holds at revision `at`."""
        known = self._ahead.get(key)
        if at > self.revision and (known is None or at > known.at):
            self._ahead[key] = _Known(at, record)

    async def reached(self, revision: int) -> None:
        """Waits until memory is at `revision` or later."""
        if self.revision >= revision:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = revision
        try:
            await future
        finally:
            del self._waiting[future]

    # What the watch delivers

    def take(self, parts: Sequence[Told], revision: int) -> None:
        """Commits the events of objects up to `revision`. Raises Stale when an event before them is missing."""
        seen: dict[Key, Record | None] = {}
        events: list[Event] = []
        for part in parts:
            key = part.record.key
            # A member that lags may begin below the revision asked for.
            if part.record.revision <= self.revision:
                continue
            event = _event(part, seen[key] if key in seen else self.state.get(key))
            seen[key] = event.record if event.change is Change.PUT else None
            events.append(event)
        self.state.commit(events)
        self.advance(revision)

    def advance(self, revision: int) -> None:
        """etcd has no more events of objects up to `revision`."""
        if revision > self.revision:
            self.state.load((), revision)
        if self._ahead:
            self._ahead = {key: known for key, known in self._ahead.items() if known.at > self.revision}
        self._wake()

    def _wake(self) -> None:
        for future, revision in self._waiting.items():
            if revision <= self.revision and not future.done():
                future.set_result(None)


def _event(told: Told, previous: Record | None) -> Event:
    """The event after `previous`; what etcd says was there before must be that, or an event is missing."""
    had = previous.revision if previous else 0
    impossible = told.change is Change.DELETE and previous is None
    if impossible or (told.before is not None and told.before != had):
        key = told.record.key
        raise Stale(f"{key} was at revision {told.before} before {told.record.revision}, but memory has {had}")
    if told.change is Change.PUT or previous is None:
        return Event(told.change, told.record, previous)
    return Event(told.change, replace(told.record, body=previous.body), previous)
