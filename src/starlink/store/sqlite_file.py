"""The database file behind `sqlite.SqliteStore`: opening, one commit, closing."""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from starlink.files import lock
from starlink.store import highwater, sqlite_highwater, sqlite_log, sqlite_marker, sqlite_migration, sqlite_schema
from starlink.store.base import REVISION_STEP, Event, Key, StoreRefused, StoreUnavailable, anything
from starlink.store.highwater import HighWater, Mark
from starlink.store.history import MOST_BYTES
from starlink.store.seal import Seal
from starlink.store.sqlite_errors import is_full, refused
from starlink.store.sqlite_presence import Presence
from starlink.store.sqlite_rows import Contents, Rows
from starlink.store.sqlite_sealing import reseal
from starlink.store.sqlite_statements import LAST_TO_FORGET
from starlink.store.tally import Tally

log = logging.getLogger(__name__)


class Durability(StrEnum):
    """What an acknowledged write outlives."""

    FULL = "full"
    """A power cut: each commit is synced."""
    NORMAL = "normal"
    """A kill -9 and no power cut, which may take the last commits: they are synced at checkpoints."""


class SqliteFile:
    """One database file, mode 0600, locked against a second process while it is open."""

    def __init__(
        self,
        path: Path,
        kept: int,
        seal: Seal,
        durability: Durability,
        legible: Callable[[Key, bytes], bool] = anything,
        note: Path | None = None,
    ) -> None:
        self._path = path
        self._presence = Presence(path, note)
        self._kept = kept
        self._seal = seal
        self._legible = legible
        self._rows = Rows(seal)
        self._durability = durability
        self._highwater = HighWater(sqlite_marker.highwater_of(path))
        self._boot = highwater.this_boot()
        self._tally = Tally(0, 0)
        self._connection: sqlite3.Connection | None = None
        self._lock = -1
        self._since_trim = self._bytes_since_trim = 0

    def open(self) -> Contents:
        """Opens or makes the file and reads it. Raises StoreRefused, and has not touched it then; OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        try:
            self._presence.refuse_lost()
            if sqlite_schema.is_absent(self._path):
                sqlite_schema.create(self._path)
            elif sqlite_schema.version_of(self._path) < sqlite_schema.SCHEMA_VERSION:
                sqlite_migration.move(self._path, self._seal, self._legible)
            contents = sqlite_schema.load(self._path, self._seal)
            sqlite_log.refuse_older(self._path, contents)
            with sqlite_schema.wal_kept(self._path):  # or a start that fails would remove it
                return self._connect(contents)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise refused(self._path, error) from error
            raise

    def _take_lock(self) -> None:
        try:
            self._lock = lock.take(lock_of(self._path))
        except BlockingIOError:
            raise StoreRefused(f"{self._path} is in use by another API server; stop that one first") from None

    def _connect(self, contents: Contents) -> Contents:
        # Used by the opening thread and then by the writer thread, never by both at once.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if contents.stale:
                reseal(connection, self._rows)
            if sqlite_marker.may_lack_writes(self._path):
                contents = self._skip(connection, contents)
            if self._set_highwater(contents) or self._durability is Durability.NORMAL:
                self._promise(connection)
            connection.execute("SELECT revision FROM floor").fetchall()  # makes the write-ahead log
            self._presence.begin()
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return contents

    def _skip(self, connection: sqlite3.Connection, contents: Contents) -> Contents:
        """Goes on far above every revision that clients may know of and that may be lost."""
        marked = sqlite_highwater.read(self._path)
        revision = max(contents.revision, marked.revision if marked else 0) + REVISION_STEP
        if sqlite_marker.is_accepted(self._path):
            sqlite_highwater.tell_of_accepted(self._path, contents, marked, revision)
        connection.execute("BEGIN IMMEDIATE")
        self._rows.raise_floor(connection, revision)
        connection.execute("COMMIT")
        return contents.skipping_to(revision)

    def _set_highwater(self, contents: Contents) -> bool:
        """Whether there is a mark now, without which a database that was left open is refused."""
        self._tally = Tally.of(contents.records)
        try:
            self._highwater.begin(Mark(contents.revision, self._tally, self._boot))
        except OSError as error:  # without room for it reads go on all the same
            log.warning("the high-water mark of %s was not written: %s", self._path, error)
        return sqlite_marker.highwater_of(self._path).exists()

    def _promise(self, connection: sqlite3.Connection) -> None:
        """Sets what a commit means, and leaves word of it for the start after a crash."""
        if self._durability is Durability.FULL:
            with contextlib.suppress(OSError):  # without room for it reads go on all the same
                sqlite_marker.set_open(self._path, self._durability)
            return
        sqlite_marker.set_open(self._path, self._durability)
        connection.execute("PRAGMA synchronous = NORMAL")

    def commit(self, events: Sequence[Event]) -> None:
        """Writes the events in one transaction; as durable as was asked for when it returns. Raises sqlite3.Error, and
        StoreUnavailable when the files are others now."""
        assert self._connection is not None
        if problem := self._presence.check():
            raise StoreUnavailable(problem)
        connection = self._connection
        if connection.in_transaction:  # an earlier rollback failed too
            connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._rows.add(connection, events)
            self._trim(connection, events)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._raise_highwater(events)

    def _raise_highwater(self, events: Sequence[Event]) -> None:
        """The writes are durable, so they are acknowledged whatever becomes of the mark; it then says less."""
        self._tally = self._tally.after(events)
        try:
            self._highwater.raise_to(Mark(events[-1].record.revision, self._tally, self._boot))
        except OSError as error:
            log.warning("the high-water mark of %s was not written: %s", self._path, error)

    def why(self, error: Exception) -> str:
        """Why a commit failed, and what to do. SQLite's own words may hold a value, so its name of the error stands."""
        if isinstance(error, StoreUnavailable):
            return str(error)
        if is_full(self._path, error):
            return f"the disk that holds {self._path} is full; make room there, and writes work again"
        return f"{self._path}: {getattr(error, 'sqlite_errorname', type(error).__name__)}"

    def problem(self) -> str:
        """Which of the files is not the one that was opened, and what to do."""
        return self._presence.problem()

    def _trim(self, connection: sqlite3.Connection, events: Sequence[Event]) -> None:
        """Forgets the events that are more than are kept, and than their bytes may be, once a quarter more is there."""
        self._since_trim += len(events)
        self._bytes_since_trim += sum(len(event.record.body) for event in events)
        if self._since_trim < self._kept // 4 and self._bytes_since_trim < MOST_BYTES // 4:
            return
        self._since_trim = self._bytes_since_trim = 0
        last: int | None = connection.execute(LAST_TO_FORGET, (self._kept, MOST_BYTES)).fetchone()[0]
        if last is not None:
            self._rows.raise_floor(connection, last)

    def close(self) -> None:
        """Closes the file and lets go of its lock. What has come into its place is left as it is."""
        self._highwater.close()
        if self._connection is not None and self._presence.check():
            self._abandon(self._connection)
            self._connection = None
        if self._connection is not None:
            # Before the connection is closed, which removes the write-ahead log. Under FULL there is nothing to sync,
            # and no backup that reads just now to wait for.
            if self._durability is Durability.FULL or _sync(self._connection):
                sqlite_marker.set_closed(self._path)
            self._connection.close()
            self._connection = None
            if not sqlite_marker.wal_of(self._path).exists():  # all of it has been taken in
                sqlite_marker.set_closed(self._path)
        self._presence.end()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _abandon(self, connection: sqlite3.Connection) -> None:
        """Closes a connection whose files are others now. SQLite removes the log that bears the name of its own, so
        that one gets a second name meanwhile."""
        wal = sqlite_marker.wal_of(self._path)
        kept = wal.with_name(wal.name + ".kept")
        with contextlib.suppress(OSError):
            os.link(wal, kept)
        connection.close()
        if kept.exists():
            kept.replace(wal)


def lock_of(path: Path) -> Path:
    """The lock file of the database `path`."""
    return path.with_name(path.name + ".lock")


def _sync(connection: sqlite3.Connection) -> bool:
    """Brings everything to the disk; whether that was possible."""
    try:
        busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error:
        return False
    return not busy
