"""The file beside a database that is there while a store has it open, and says how its commits are synced.

It tells the start after a crash what the database itself can't: whether acknowledged writes may be missing.
"""

from pathlib import Path

from starlink.files import durable
from starlink.store.base import StoreRefused

SYNCED = "full"
ACCEPTED = "accept-loss"


def marker_of(database: Path) -> Path:
    """The marker's place."""
    return database.with_name(database.name + ".open")


def wal_of(database: Path) -> Path:
    """Where SQLite keeps the writes that the database has not taken in yet."""
    return database.with_name(database.name + "-wal")


def highwater_of(database: Path) -> Path:
    """The place of the high-water mark."""
    return database.with_name(database.name + ".mark")


def refuse_lost_writes(database: Path) -> None:
    """Raises StoreRefused when the database was not closed and its write-ahead log, which was there, is gone."""
    wal = wal_of(database)
    if not is_open(database) or wal.exists():
        return
    raise StoreRefused(
        f"{wal} is gone, and with it writes that {database} had not taken in yet; put it back, or restore a backup; "
        f"{way_on(database)}"
    )


def way_on(database: Path) -> str:
    """What to do to go on without the writes that are lost."""
    return f"to go on without them, run: echo {ACCEPTED} > {marker_of(database)}"


def is_accepted(database: Path) -> bool:
    """Whether the operator has said to go on without the writes that are lost."""
    return _read(database) == ACCEPTED


def refuse_another(database: Path) -> None:
    """Raises StoreRefused when a database that is to be made would be mixed with what is left of a lost one."""
    beside = (wal_of(database), marker_of(database), highwater_of(database))
    left = [path for path in beside if path.exists() and path.stat().st_size]
    if left:
        names = " and ".join(map(str, left))
        raise StoreRefused(
            f"the database {database} is gone, but {names} is left of it; put the database back, or restore a backup; "
            f"to start empty, move {names} away"
        )


def is_open(database: Path) -> bool:
    """Whether it was not closed, be it that a store has it open, and no loss has been accepted."""
    return _read(database) not in (None, ACCEPTED)


def may_lack_writes(database: Path) -> bool:
    """Whether it was not closed and acknowledged writes may be missing."""
    return _read(database) not in (None, SYNCED)


def set_open(database: Path, durability: str) -> None:
    """Notes, durably, that the database is in use. Raises OSError."""
    if _read(database) != durability:
        durable.replace(marker_of(database), durability.encode() + b"\n")


def set_closed(database: Path) -> None:
    """Notes that nothing is missing. Raises OSError."""
    marker_of(database).unlink(missing_ok=True)


def _read(database: Path) -> str | None:
    try:
        return marker_of(database).read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
