"""SQLite's errors as what they mean for a database, and what to do."""

import shutil
import sqlite3
from pathlib import Path

from starlink.store.base import StoreRefused

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
_BEFORE_CONTENT = " with text "


def refused(path: Path, error: sqlite3.Error) -> StoreRefused:
    """An error of SQLite with the database at `path`."""
    if is_full(path, error):
        return StoreRefused(f"the disk that holds {path} is full; make room there, and start again")
    if _code(error) in _NOT_OPENED:
        return StoreRefused(f"{path} can't be used ({error}); see that this user may read and write {path.parent}")
    return damaged(path, str(error).partition(_BEFORE_CONTENT)[0])


def is_full(path: Path, error: Exception) -> bool:
    """Whether the disk is full: SQLite says so, or could not even make the files that it works with."""
    no_room = _code(error) in _WITHOUT_ROOM and shutil.disk_usage(path.parent).free < _ROOM
    return no_room or _code(error) == sqlite3.SQLITE_FULL


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process has the database open."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def damaged(path: Path, problem: str) -> StoreRefused:
    """A database that must not be used, and is left as it is."""
    return StoreRefused(
        f"{path} can't be read as a database of StarLink ({problem}); "
        f"restore a backup, or move {path}* away to start empty"
    )


def _code(error: Exception) -> int:
    # Errors of the module itself have no code; the high bits tell variants of one error apart.
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF
