"""A database and the write-ahead log beside it: whether the two belong together.

Nothing in a log names its database: SQLite takes any log with sound checksums for the newest pages of whatever file
lies beside it (https://www.sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use). Beside a
newer database an older log makes it what it was then, and the high-water mark of that time agrees. But the file by
itself tells: what a checkpoint writes into it comes from the log, so it never holds a revision that is above all of
those it holds with its log.
"""

import contextlib
import sqlite3
from pathlib import Path

from starlink.store import sqlite_marker
from starlink.store.base import StoreRefused
from starlink.store.sqlite_rows import Contents

_NEWEST = "SELECT max((SELECT max(revision) FROM floor), coalesce((SELECT max(revision) FROM log), 0))"


def refuse_older(path: Path, contents: Contents) -> None:
    """Raises StoreRefused when the log of a database, which no store writes to, is of an earlier time than its file.

    `contents` is what the two hold together.
    """
    wal = sqlite_marker.wal_of(path)
    alone = _newest_alone(path) if wal.exists() else 0
    if alone > contents.revision:
        raise StoreRefused(
            f"{path} holds revision {alone}, but with {wal} only {contents.revision}: the two are not of one time; put "
            "the right ones back, or restore a backup; to go on with the database by itself, if it was copied when it "
            f"was closed, move {wal}, {sqlite_marker.highwater_of(path)} and {sqlite_marker.marker_of(path)} away"
        )


def _newest_alone(path: Path) -> int:
    """The last revision in the file without its log; 0 where a checkpoint that was cut short left no readable whole."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
        found = connection.execute(_NEWEST).fetchone()[0]
        return found if isinstance(found, int) else 0
    return 0
