"""Moving a database of an older form into the present one: all of it or nothing, whenever it is cut short.

The new database is made beside the old one, read back and compared, and takes its name by one rename; before that the
old one is given a second name, `NAME.schema-N`, under which it stays. Until the rename the old database counts and the
next start begins anew; from then on the new one does. What lies in the old one's write-ahead log must be in its file
before the rename, because a log belongs to whatever bears its name.
"""

import contextlib
import itertools
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from starlink.files import durable
from starlink.store import sqlite_highwater, sqlite_log, sqlite_marker, sqlite_schema
from starlink.store.base import REVISION_STEP, Key, StoreRefused
from starlink.store.seal import Seal
from starlink.store.sqlite_errors import is_busy, refused
from starlink.store.sqlite_rows import Contents, Rows
from starlink.store.sqlite_sealing import reseal

BUSY_SECONDS = 5.0

log = logging.getLogger(__name__)


def move(path: Path, seal: Seal, legible: Callable[[Key, bytes], bool]) -> None:
    """Moves the database, which no store has open. The old one is kept beside it.

    Raises StoreRefused for one that is not sound, sqlite3.Error and OSError; the old one is then what it was.
    """
    version = sqlite_schema.version_of(path)
    old = sqlite_schema.load(path, seal, legible)
    sqlite_log.refuse_older(path, old)
    contents = _as_it_goes_on(path, old)
    with sqlite_schema.whole(path, Rows(seal), contents) as partial:
        _compare(path, sqlite_schema.load(partial, seal), contents)
        sqlite_schema.keep_log(partial)
        with _alone(path) as connection:
            if old.stale:
                reseal(connection, Rows(seal, summed=False))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            kept = _keep(path, version)
            # Of the old one, and so true of both: the new one is refused if it is killed now and has none.
            sqlite_highwater.leave_mark(path, old)
            durable.move(partial, path)
            # Before the connection is closed, which removes the write-ahead log: there is none to miss.
            sqlite_marker.set_closed(path)
    log.warning("%s is of schema %d now; the one of schema %d is %s", path, sqlite_schema.SCHEMA_VERSION, version, kept)


def _as_it_goes_on(path: Path, contents: Contents) -> Contents:
    """What may lack writes goes on far above them: nothing says so any more when it has been moved."""
    if sqlite_marker.may_lack_writes(path):
        return contents.skipping_to(contents.revision + REVISION_STEP)
    return contents


def _compare(path: Path, made: Contents, contents: Contents) -> None:
    same = (
        made.floor == contents.floor
        and list(made.events) == list(contents.events)
        and {record.key: record for record in made.records} == {record.key: record for record in contents.records}
    )
    if not same:
        raise StoreRefused(
            f"{path} was not moved to a new schema: the copy is not equal to it; see that memory and disk are sound"
        )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection beside which there is no other, also of a process that reads.

    When it is closed early it takes the write-ahead log in and removes it. An empty one in its place says that none is
    missing.
    """
    with (
        _log_in_place(path),
        contextlib.closing(sqlite3.connect(path, BUSY_SECONDS, isolation_level=None)) as connection,
    ):
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if is_busy(error):
                raise StoreRefused(
                    f"{path} is of an older schema, and can't be moved while another process reads it, such as a "
                    "backup; start again when that is done"
                ) from error
            raise refused(path, error) from error
        yield connection


@contextlib.contextmanager
def _log_in_place(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sqlite_marker.wal_of(path).touch(0o600)
        raise


def _keep(path: Path, version: int) -> Path:
    """Gives the old database a second name; the same one when an earlier start has come as far."""
    for number in itertools.count(1):
        kept = path.with_name(f"{path.name}.schema-{version}" + (f".{number}" if number > 1 else ""))
        if not kept.exists():
            kept.hardlink_to(path)
            durable.sync_folder(path.parent)
            return kept
        if kept.samefile(path):
            return kept
    raise AssertionError("numbers don't end")
