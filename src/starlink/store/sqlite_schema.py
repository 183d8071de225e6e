"""The form of the database: how it is made, how it is known, and how it is read."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from starlink.files import durable
from starlink.foreign import said
from starlink.store import sqlite_highwater, sqlite_marker
from starlink.store import sqlite_statements as sql
from starlink.store.base import Key, Record, StoreRefused, anything
from starlink.store.consistency import missing_event
from starlink.store.seal import MARK, AsStored, Seal, key_id, told
from starlink.store.sqlite_errors import damaged, refused
from starlink.store.sqlite_rows import Contents, Rows, UnsoundRow

SCHEMA_VERSION = 2
SUMMED_SINCE = 2
MARKED_SINCE = 2
APPLICATION_ID = 0x53744C6B  # "StLk"
PAGE_BYTES = 8192
_SMALLEST = 512  # bytes that a database has: https://www.sqlite.org/fileformat2.html#page_size

# A table with a rowid keeps bodies of up to a page beside each other. One WITHOUT ROWID puts the rest of what is longer
# than a quarter of a page into a page of its own: https://www.sqlite.org/fileformat2.html#payload
_TABLES = {
    "object": (
        "CREATE TABLE object (resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, "
        "revision INTEGER NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL, "
        "UNIQUE (resource, namespace, name))"
    ),
    "log": (
        "CREATE TABLE log (revision INTEGER PRIMARY KEY, change TEXT NOT NULL, "
        "resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, "
        "previous_revision INTEGER NOT NULL, previous BLOB, checksum INTEGER NOT NULL)"
    ),
    "floor": "CREATE TABLE floor (revision INTEGER NOT NULL, checksum INTEGER NOT NULL)",
}


def is_absent(path: Path) -> bool:
    """Whether there is no database yet. An empty file is a damaged database and not an absent one: a database is made
    whole or not at all."""
    return not path.exists()


def create(path: Path, records: Iterable[Record] = (), revision: int = 0) -> None:
    """Makes a database whole or not at all: `records` as they are to be stored, and revisions that go on
    after `revision`. Raises StoreRefused, sqlite3.Error, OSError."""
    sqlite_marker.refuse_another(path)
    with whole(path, Rows(AsStored()), Contents(tuple(records), (), revision, revision)) as partial:
        keep_log(partial)
        durable.move(partial, path)


@contextlib.contextmanager
def whole(path: Path, rows: Rows, contents: Contents) -> Iterator[Path]:
    """A database of `contents` on the disk, beside the one at `path`, without a log yet; it is removed unless it is
    moved away. Raises sqlite3.Error, OSError."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as connection:
            _fill(connection, rows, contents)
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def keep_log(path: Path) -> None:
    """Has a database that was just made keep a write-ahead log from now on. Raises sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _fill(connection: sqlite3.Connection, rows: Rows, contents: Contents) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = MEMORY")  # a file that is not whole is thrown away
    connection.execute("BEGIN")
    for table in _TABLES.values():
        connection.execute(table)
    rows.fill(connection, contents)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def version_of(path: Path) -> int:
    """Which form the database has, of those that this StarLink knows. Raises StoreRefused."""
    with _reading(path) as connection:
        return _version(connection, path)


def sealed_with(path: Path) -> str | None:
    """The id of a key that sealed something in the database; None where there is no database, or nothing is sealed.
    Raises StoreRefused."""
    if is_absent(path):
        return None
    with _reading(path) as connection:
        _version(connection, path)
        found = connection.execute(sql.SEALED, {"mark": MARK, "length": len(MARK)}).fetchone()
    return None if found is None else key_id(found[0])


def load(path: Path, seal: Seal, legible: Callable[[Key, bytes], bool] = anything) -> Contents:
    """Reads a database as it is at one moment; changes nothing of it and does not keep its writer waiting.

    Of a body that has no checksum `legible` says whether it is the object of its key. Raises StoreRefused for what is
    not a sound database of a known version, or lacks a write that was acknowledged.
    """
    was_open = sqlite_marker.is_open(path)
    marked = sqlite_highwater.read(path)  # before the database, which may be written just now
    with _reading(path) as connection:
        if _version(connection, path) >= MARKED_SINCE:
            sqlite_highwater.refuse_unmarked(path, was_open, marked)
        try:
            contents = _rows(connection, path, seal, legible).read(connection)
        except UnsoundRow as error:
            raise damaged(path, str(error)) from error
        except (ValueError, TypeError, AttributeError) as error:  # their words may hold what the row does
            raise damaged(path, f"a row holds what no row does ({said(error)})") from error
    missing = missing_event(contents.records, contents.events, contents.floor)
    if missing is not None:
        raise damaged(path, f"its log lacks a write of {told(missing)}")
    sqlite_highwater.refuse_behind(path, contents, marked)
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
    # Before anything is opened: SQLite makes an empty log where there is none, and removes one beside an empty file,
    # for which it takes one of a single byte too.
    sqlite_marker.refuse_lost_writes(path)
    if path.stat().st_size < _SMALLEST:
        raise damaged(path, "it is empty")
    # Read-only, because the last connection to close would otherwise write the log into the file.
    connection = None
    try:
        connection = _read_only(path)
        connection.execute("BEGIN")
        yield connection
    except sqlite3.Error as error:
        raise refused(path, error) from error
    finally:
        if connection is not None:
            connection.close()


def _rows(connection: sqlite3.Connection, path: Path, seal: Seal, legible: Callable[[Key, bytes], bool]) -> Rows:
    """The rows of a database whose pages and tables are sound. Raises StoreRefused, sqlite3.Error."""
    summed = _version(connection, path) >= SUMMED_SINCE
    if summed and dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'")) != _TABLES:
        raise damaged(path, "its tables are not those of StarLink")
    # Not quick_check, which doesn't compare an index with its table.
    problem = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if problem != "ok":
        raise damaged(path, " ".join(str(problem).split()))
    return Rows(seal, summed=summed, legible=legible)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreRefused(f"{path} is a database of something else; give another --data-dir")
    if version > SCHEMA_VERSION:
        raise StoreRefused(
            f"{path} was written by a newer StarLink (schema {version}, this one knows {SCHEMA_VERSION}); "
            "run that, or restore a backup of this one"
        )
    if version < 1:
        raise damaged(path, f"it says that its schema is {version}")
    return version
