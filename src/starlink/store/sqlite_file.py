"""The database file behind `sqlite.SqliteStore`: schema, opening, and one commit."""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlink.store.base import Change, Event, Key, Record

SCHEMA_VERSION = 1
APPLICATION_ID = 0x53744C6B  # "StLk"

_SCHEMA = """
CREATE TABLE object (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE log (
    revision INTEGER PRIMARY KEY, change TEXT NOT NULL,
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    previous_revision INTEGER NOT NULL, previous BLOB
);
CREATE TABLE floor (revision INTEGER NOT NULL);
INSERT INTO floor VALUES (0);
"""


class StoreRefused(Exception):
    """The database is not one that this version may use; the message names it and what to do."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file held when it was opened: objects, recent events and the revision they start after."""

    records: Sequence[Record]
    events: Sequence[Event]
    floor: int
    revision: int


class SqliteFile:
    """One database file, mode 0600, locked against a second process while it is open."""

    def __init__(self, path: Path, kept: int) -> None:
        self._path = path
        self._kept = kept
        self._connection: sqlite3.Connection | None = None
        self._lock = -1
        self._since_trim = 0

    def open(self) -> Contents:
        """Opens or makes the file and reads it. Raises StoreRefused."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        try:
            return self._open()
        except sqlite3.DatabaseError as error:
            self.close()
            raise StoreRefused(
                f"{self._path} can't be read as a database ({error}); "
                "restore a backup of it, or move it away to start empty"
            ) from error
        except StoreRefused:
            self.close()
            raise

    def _take_lock(self) -> None:
        lock = self._path.with_name(self._path.name + ".lock")
        self._lock = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise StoreRefused(f"{self._path} is in use by another API server; stop that one first") from None

    def _open(self) -> Contents:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        # Used by the opening thread and then by the writer thread, never by both at once.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._connection = connection
        self._prepare(connection)  # first: what is not ours is not touched
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return self._read(connection)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        if (version, application) == (0, 0):
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StoreRefused(f"{self._path} is a database of something else; give another --data-dir")
            connection.executescript(
                f"BEGIN;{_SCHEMA}PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
            )
        elif application != APPLICATION_ID:
            raise StoreRefused(f"{self._path} is a database of something else; give another --data-dir")
        elif version > SCHEMA_VERSION:
            raise StoreRefused(
                f"{self._path} was written by a newer StarLink "
                f"(schema {version}, this one knows {SCHEMA_VERSION}); run that, or restore a backup of this one"
            )
        problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)

    def _read(self, connection: sqlite3.Connection) -> Contents:
        records = [
            Record(Key(resource, namespace, name), revision, body)
            for resource, namespace, name, revision, body in connection.execute(
                "SELECT resource, namespace, name, revision, body FROM object"
            )
        ]
        events = [_event(*row) for row in connection.execute("SELECT * FROM log ORDER BY revision")]
        floor = connection.execute("SELECT revision FROM floor").fetchone()[0]
        newest = max((record.revision for record in records), default=0)
        revision = max(newest, events[-1].record.revision if events else 0, floor)
        return Contents(records, events, floor, revision)

    def commit(self, events: Sequence[Event]) -> None:
        """Writes the events in one transaction, on the disk when it returns. Raises sqlite3.Error."""
        assert self._connection is not None
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_row, events))
            for event in events:
                _write(connection, event)
            self._trim(connection, events)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _trim(self, connection: sqlite3.Connection, events: Sequence[Event]) -> None:
        self._since_trim += len(events)
        if self._since_trim < self._kept // 4:
            return
        self._since_trim = 0
        row = connection.execute(
            "SELECT revision FROM log ORDER BY revision DESC LIMIT 1 OFFSET ?", (self._kept,)
        ).fetchone()
        if row is not None:
            connection.execute("UPDATE floor SET revision = ?", row)
            connection.execute("DELETE FROM log WHERE revision <= ?", row)

    def close(self) -> None:
        """Closes the file and lets go of its lock."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _event(
    revision: int,
    change: str,
    resource: str,
    namespace: str,
    name: str,
    body: bytes,
    previous_revision: int,
    previous: bytes | None,
) -> Event:
    key = Key(resource, namespace, name)
    before = Record(key, previous_revision, previous) if previous is not None else None
    return Event(Change(change), Record(key, revision, body), before)


def _row(event: Event) -> tuple[object, ...]:
    record, previous = event.record, event.previous
    return (
        record.revision,
        event.change.value,
        *record.key,
        record.body,
        previous.revision if previous else 0,
        previous.body if previous else None,
    )


def _write(connection: sqlite3.Connection, event: Event) -> None:
    record = event.record
    if event.change is Change.PUT:
        connection.execute(
            "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?)",
            (*record.key, record.revision, record.body),
        )
    else:
        connection.execute("DELETE FROM object WHERE resource = ? AND namespace = ? AND name = ?", tuple(record.key))
