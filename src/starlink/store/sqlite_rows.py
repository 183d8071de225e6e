"""Objects and events as rows of the database, sealed on their way in and unsealed on their way out."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from starlink.store.base import Change, Event, Key, Record
from starlink.store.seal import Seal

_SELECT_LOG = "SELECT * FROM log ORDER BY revision"
_SELECT_OBJECTS = "SELECT resource, namespace, name, revision, body FROM object"
_SET_BODY = "UPDATE object SET body = ? WHERE resource = ? AND namespace = ? AND name = ?"

_MOST_ROWS = 64
_LogRow = tuple[int, str, str, str, str, bytes, int, bytes | None]


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


class Rows:
    """The rows of a database, through a seal."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def read(self, connection: sqlite3.Connection) -> Contents:
        """Everything, unsealed. Raises StoreRefused, sqlite3.Error, and ValueError for a row that is none."""
        objects = [
            Record(Key(resource, namespace, name), revision, body)
            for resource, namespace, name, revision, body in connection.execute(_SELECT_OBJECTS)
        ]
        log: list[_LogRow] = connection.execute(_SELECT_LOG).fetchall()
        floor: int = connection.execute("SELECT revision FROM floor").fetchone()[0]
        records = [Record(r.key, r.revision, self._seal.unseal(r.key, r.body)) for r in objects]
        events = [self._event(row) for row in log]
        newest = max((record.revision for record in records), default=0)
        revision = max(newest, events[-1].record.revision if events else 0, floor)
        stale = any(self._seal.stale(r.key, r.body) for r in objects) or any(map(self._is_stale, log))
        return Contents(records, events, floor, revision, stale)

    def _event(self, row: _LogRow) -> Event:
        revision, change, resource, namespace, name, body, previous_revision, previous = row
        key = Key(resource, namespace, name)
        before = Record(key, previous_revision, self._seal.unseal(key, previous)) if previous is not None else None
        return Event(Change(change), Record(key, revision, self._seal.unseal(key, body)), before)

    def _is_stale(self, row: _LogRow) -> bool:
        key, body, previous = Key(*row[2:5]), row[5], row[7]
        return self._seal.stale(key, body) or (previous is not None and self._seal.stale(key, previous))

    def add(self, connection: sqlite3.Connection, events: Sequence[Event]) -> None:
        """Writes the events into the log, and the objects as they leave them. Raises sqlite3.Error."""
        bodies = [self._seal.seal(event.record.key, event.record.body) for event in events]
        logged = [self._log_row(event, body) for event, body in zip(events, bodies, strict=True)]
        left = {event.record.key: (event, body) for event, body in zip(events, bodies, strict=True)}
        there = [(*key, e.record.revision, body) for key, (e, body) in left.items() if e.change is Change.PUT]
        gone = [key for key, (event, _) in left.items() if event.change is Change.DELETE]
        _insert(connection, "INSERT INTO log VALUES", logged)
        _insert(connection, "INSERT OR REPLACE INTO object VALUES", there)
        if gone:
            connection.executemany("DELETE FROM object WHERE resource = ? AND namespace = ? AND name = ?", gone)

    def _log_row(self, event: Event, body: bytes) -> _LogRow:
        record, previous = event.record, event.previous
        before = self._seal.seal(record.key, previous.body) if previous else None
        revision_before = previous.revision if previous else 0
        return (record.revision, event.change.value, *record.key, body, revision_before, before)

    def reseal(self, connection: sqlite3.Connection) -> None:
        """Stores every stale body as it would be stored now. Raises StoreRefused, sqlite3.Error."""
        for resource, namespace, name, _, body in connection.execute(_SELECT_OBJECTS).fetchall():
            key = Key(resource, namespace, name)
            if self._seal.stale(key, body):
                connection.execute(_SET_BODY, (self._sealed_anew(key, body), *key))
        for row in filter(self._is_stale, connection.execute(_SELECT_LOG).fetchall()):
            key, body, previous = Key(*row[2:5]), row[5], row[7]
            before = self._sealed_anew(key, previous) if previous is not None else None
            connection.execute(
                "UPDATE log SET body = ?, previous = ? WHERE revision = ?",
                (self._sealed_anew(key, body), before, row[0]),
            )

    def _sealed_anew(self, key: Key, stored: bytes) -> bytes:
        return self._seal.seal(key, self._seal.unseal(key, stored))


def _insert(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows many at a time: between two statements this thread may have to wait for the event loop's. Their
    number is a power of two, so that few statements are prepared."""
    start = 0
    while left := len(rows) - start:
        count = min(1 << (left.bit_length() - 1), _MOST_ROWS)
        values = ", ".join([f"({', '.join('?' * len(rows[start]))})"] * count)
        connection.execute(f"{statement} {values}", tuple(chain.from_iterable(rows[start : start + count])))
        start += count
