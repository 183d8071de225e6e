"""The form of the database: how it is made, how it is known, and how it is refused."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from starlink.files import durable
from starlink.store import sqlite_marker
from starlink.store.base import Record, StoreRefused
from starlink.store.consistency import missing_event
from starlink.store.seal import Seal, told
from starlink.store.sqlite_rows import Contents, Rows

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
"""
_NOT_OPENED = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
)
_WITHOUT_ROOM = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_ROOM = 128 * 1024


def is_absent(path: Path) -> bool:
    """Whether there is no database yet. An empty file is none that is absent: it is made whole or not at all."""
    return not path.exists()


def create(path: Path, records: Iterable[Record] = (), revision: int = 0) -> None:
    """Makes a database whole or not at all: `records` as they are to be stored, and revisions that go on
    after `revision`. Raises StoreRefused, sqlite3.Error, OSError."""
    sqlite_marker.refuse_another(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as connection:
            _fill(connection, records, revision)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    durable.sync_folder(path.parent)


def _fill(connection: sqlite3.Connection, records: Iterable[Record], revision: int) -> None:
    connection.execute("PRAGMA journal_mode = MEMORY")  # a file that is not whole is thrown away
    connection.executescript(f"BEGIN;{_SCHEMA}")
    connection.execute("INSERT INTO floor VALUES (?)", (revision,))
    rows = ((*record.key, record.revision, record.body) for record in records)
    connection.executemany("INSERT INTO object VALUES (?, ?, ?, ?, ?)", rows)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")


def load(path: Path, seal: Seal) -> Contents:
    """Reads a database as it is at one moment; changes nothing of it and does not keep its writer waiting.

    Raises StoreRefused for what is not a sound database of this version.
    """
    sqlite_marker.refuse_lost_writes(path)
    with _reading(path) as connection:
        try:
            contents = Rows(seal).read(connection)
        except (ValueError, TypeError) as error:
            raise damaged(path, str(error)) from error
    missing = missing_event(contents.records, contents.events, contents.floor)
    if missing is not None:
        raise damaged(path, f"its log lacks a write of {told(missing)}")
    return contents


@contextlib.contextmanager
def wal_kept(path: Path) -> Iterator[None]:
    """While this is open no other connection is the last one to close, which would remove the write-ahead log."""
    with contextlib.closing(_read_only(path)) as connection:
        connection.execute("SELECT * FROM floor").fetchall()
        yield


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # Read-only, because the last connection to close would otherwise write the log into the file.
    connection = None
    try:
        connection = _read_only(path)
        connection.execute("BEGIN")
        _check(connection, path)
        yield connection
    except sqlite3.Error as error:
        raise refused(path, error) from error
    finally:
        if connection is not None:
            connection.close()


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size == 0:
        raise damaged(path, "it is empty")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreRefused(f"{path} is a database of something else; give another --data-dir")
    if version > SCHEMA_VERSION:
        raise StoreRefused(
            f"{path} was written by a newer StarLink (schema {version}, this one knows {SCHEMA_VERSION}); "
            "run that, or restore a backup of this one"
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise damaged(path, " ".join(str(problem).split()))


def refused(path: Path, error: sqlite3.Error) -> StoreRefused:
    """SQLite's error as what it means for the database, and what to do."""
    if is_full(path, error):
        return StoreRefused(f"the disk that holds {path} is full; make room there, and start again")
    if _code(error) in _NOT_OPENED:
        return StoreRefused(f"{path} can't be used ({error}); see that this user may read and write {path.parent}")
    return damaged(path, str(error))


def is_full(path: Path, error: Exception) -> bool:
    """Whether the disk is full: SQLite says so, or could not even make the files that it works with."""
    no_room = _code(error) in _WITHOUT_ROOM and shutil.disk_usage(path.parent).free < _ROOM
    return no_room or _code(error) == sqlite3.SQLITE_FULL


def _code(error: Exception) -> int:
    # Errors of the module itself have no code; the high bits tell variants of one error apart.
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF


def damaged(path: Path, problem: str) -> StoreRefused:
    """A database that must not be used, and is left as it is."""
    return StoreRefused(
        f"{path} can't be read as a database of StarLink ({problem}); "
        f"restore a backup, or move {path}* away to start empty"
    )
