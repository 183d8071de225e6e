"""Objects and events as rows: sealed and summed on their way to the disk, checked and unsealed on their way back."""

import dataclasses
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from starlink.store import checksum
from starlink.store import sqlite_statements as sql
from starlink.store.base import Change, Event, Key, Record, anything
from starlink.store.seal import Seal, told

_MOST_ROWS = 64


class UnsoundRow(ValueError):
    """The message says which, and shows nothing of what it holds."""


class _ObjectRow(msgspec.Struct, frozen=True, gc=False):
    """An object as it is stored."""

    key: Key
    revision: int
    body: bytes
    checksum: int | None

    def __str__(self) -> str:
        return f"{told(self.key)} at revision {self.revision}"

    def sum(self) -> int:
        return checksum.of_object(self.key, self.revision, self.body)

    def columns(self) -> tuple[Any, ...]:
        return (*self.key, self.revision, self.body, self.checksum)


class _LogRow(msgspec.Struct, frozen=True, gc=False):
    """An event as it is stored."""

    key: Key
    revision: int
    change: str
    body: bytes
    previous_revision: int
    previous: bytes | None
    checksum: int | None

    def __str__(self) -> str:
        return f"the log's revision {self.revision} of {told(self.key)}"

    def sum(self) -> int:
        left = checksum.of_object(self.key, self.revision, self.body)
        return checksum.of_event(left, self.change, self.previous_revision, self.previous)

    def columns(self) -> tuple[Any, ...]:
        event = (self.revision, self.change, self.body, self.previous_revision, self.previous, self.checksum)
        return (*self.key, *event)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds: objects, recent events, the revision they start after, and the last one.

    `stale` says that a body would be stored otherwise now (`Seal.stale`).
    """

    records: Sequence[Record]
    events: Sequence[Event]
    floor: int
    revision: int
    stale: bool = False

    def skipping_to(self, revision: int) -> "Contents":
        """The same objects; nobody resumes from what was told up to `revision`."""
        return dataclasses.replace(self, events=(), floor=revision, revision=revision)


R = TypeVar("R", _ObjectRow, _LogRow)


class Rows:
    """The rows of a database, through a seal.

    Those of the first form (`summed` is false) have no checksums, so of them a body must be `legible` as the
    object of its key.
    """

    def __init__(self, seal: Seal, *, summed: bool = True, legible: Callable[[Key, bytes], bool] = anything) -> None:
        self._seal = seal
        self._summed = summed
        self._sql = sql.SUMMED if summed else sql.UNSUMMED
        self._legible = legible

    # Reading

    def read(self, connection: sqlite3.Connection) -> Contents:
        """Everything, unsealed. Raises StoreRefused, sqlite3.Error, and ValueError for a row that is not as it was
        written."""
        objects, log = self._objects(connection), self._log(connection)
        records = [Record(row.key, row.revision, self._opened(row, row.body)) for row in objects]
        events = list(map(self._event, log))
        floor = self._floor(connection)
        newest = max((record.revision for record in records), default=0)
        revision = max(newest, events[-1].record.revision if events else 0, floor)
        stale = any(self._seal.stale(row.key, row.body) for row in objects) or any(map(self._is_stale, log))
        return Contents(records, events, floor, revision, stale)

    def _objects(self, connection: sqlite3.Connection) -> list[_ObjectRow]:
        rows = connection.execute(self._sql.objects)
        return list(map(self._checked, (_ObjectRow(Key(*row[:3]), *row[3:]) for row in rows)))

    def _log(self, connection: sqlite3.Connection) -> list[_LogRow]:
        rows = connection.execute(self._sql.log)
        return list(map(self._checked, (_LogRow(Key(*row[:3]), *row[3:]) for row in rows)))

    def _checked(self, row: R) -> R:
        if self._summed and row.checksum != _sum_of(row):
            raise UnsoundRow(f"{row} is not as it was written: its checksum is another")
        return row

    def _event(self, row: _LogRow) -> Event:
        record = Record(row.key, row.revision, self._opened(row, row.body))
        if row.previous is None:
            return Event(Change(row.change), record, None)
        previous = Record(row.key, row.previous_revision, self._opened(row, row.previous))
        return Event(Change(row.change), record, previous)

    def _opened(self, row: _ObjectRow | _LogRow, stored: bytes) -> bytes:
        body = self._seal.unseal(row.key, stored)
        if not self._summed and not self._legible(row.key, body):
            raise UnsoundRow(f"{row} is not as it was written: it can't be read")
        return body

    def _floor(self, connection: sqlite3.Connection) -> int:
        rows = connection.execute(self._sql.floor).fetchall()
        if len(rows) != 1:
            raise UnsoundRow(f"it says {len(rows)} times where its log begins")
        floor: int = rows[0][0]
        if self._summed and rows[0][1] != checksum.of_number(floor):
            raise UnsoundRow("where its log begins is not as it was written: its checksum is another")
        return floor

    def _is_stale(self, row: _LogRow) -> bool:
        previous = row.previous
        return self._seal.stale(row.key, row.body) or (previous is not None and self._seal.stale(row.key, previous))

    # Writing

    def add(self, connection: sqlite3.Connection, events: Sequence[Event]) -> None:
        """Writes the events into the log, and the objects as they leave them. Raises sqlite3.Error."""
        rows = [self._object_row(event.record) for event in events]
        logged = [self._log_row(event, row) for event, row in zip(events, rows, strict=True)]
        left = {event.record.key: (event.change, row) for event, row in zip(events, rows, strict=True)}
        there = [row for change, row in left.values() if change is Change.PUT]
        gone = [key for key, (change, _) in left.items() if change is Change.DELETE]
        _insert(connection, sql.APPEND, logged)
        _insert(connection, sql.PUT, there, sql.OR_CHANGE)
        if gone:
            connection.executemany(sql.DELETE, gone)

    def fill(self, connection: sqlite3.Connection, contents: Contents) -> None:
        """Writes everything into empty tables. Raises sqlite3.Error."""
        for record in contents.records:
            _insert(connection, sql.PUT, [self._object_row(record)])
        for event in contents.events:
            _insert(connection, sql.APPEND, [self._log_row(event, self._object_row(event.record))])
        connection.execute(sql.BEGIN_LOG, (contents.floor, checksum.of_number(contents.floor)))

    def raise_floor(self, connection: sqlite3.Connection, revision: int) -> None:
        """Forgets the events up to a revision. Raises sqlite3.Error."""
        connection.execute(sql.RAISE_FLOOR, (revision, checksum.of_number(revision)))
        connection.execute(sql.FORGET, (revision,))

    def _object_row(self, record: Record) -> _ObjectRow:
        body = self._seal.seal(record.key, record.body)
        return _ObjectRow(record.key, record.revision, body, checksum.of_object(record.key, record.revision, body))

    def _log_row(self, event: Event, left: _ObjectRow) -> _LogRow:
        previous = event.previous
        before = self._seal.seal(left.key, previous.body) if previous else None
        at = previous.revision if previous else 0
        change = event.change.value
        found = checksum.of_event(left.checksum or 0, change, at, before)
        return _LogRow(left.key, left.revision, change, left.body, at, before, found)

    # Sealing anew

    def reseal(self, connection: sqlite3.Connection) -> None:
        """Stores every stale body as it would be stored now. Raises StoreRefused, sqlite3.Error."""
        for row in self._objects(connection):
            if self._seal.stale(row.key, row.body):
                anew = structs.replace(row, body=self._sealed_anew(row.key, row.body))
                connection.execute(self._sql.reseal_object, _summed(anew))
        for logged in filter(self._is_stale, self._log(connection)):
            previous = self._sealed_anew(logged.key, logged.previous) if logged.previous is not None else None
            left = structs.replace(logged, body=self._sealed_anew(logged.key, logged.body), previous=previous)
            connection.execute(self._sql.reseal_event, _summed(left))

    def _sealed_anew(self, key: Key, stored: bytes) -> bytes:
        return self._seal.seal(key, self._seal.unseal(key, stored))


def _sum_of(row: _ObjectRow | _LogRow) -> int | None:
    """None for a row that holds what no row does."""
    try:
        return row.sum()
    except TypeError:
        return None


def _summed(row: _ObjectRow | _LogRow) -> dict[str, Any]:
    resource, namespace, name = row.key
    return {"resource": resource, "namespace": namespace, "name": name} | structs.asdict(row) | {"checksum": row.sum()}


def _insert(connection: sqlite3.Connection, into: str, rows: Sequence[_ObjectRow | _LogRow], end: str = "") -> None:
    """Inserts rows many at a time: between two statements this thread may have to wait for the event loop's. Their
    number is a power of two, so that few statements are prepared."""
    start = 0
    while left := len(rows) - start:
        count = min(1 << (left.bit_length() - 1), _MOST_ROWS)
        some = [row.columns() for row in rows[start : start + count]]
        values = ", ".join([f"({', '.join('?' * len(some[0]))})"] * count)
        connection.execute(f"{into} {values} {end}", tuple(chain.from_iterable(some)))
        start += count
