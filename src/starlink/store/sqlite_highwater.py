"""A database and its high-water mark: whether it holds all that was acknowledged."""

import logging
from pathlib import Path

from starlink.store import highwater, sqlite_marker
from starlink.store.base import StoreRefused
from starlink.store.highwater import DamagedMark, HighWater, Mark
from starlink.store.sqlite_rows import Contents
from starlink.store.tally import Tally

log = logging.getLogger(__name__)


def read(database: Path) -> Mark | None:
    """The mark; None where there is none, and where whatever it says has been accepted. Raises StoreRefused."""
    try:
        return highwater.read(sqlite_marker.highwater_of(database))
    except DamagedMark as error:
        if sqlite_marker.is_accepted(database):
            return None
        raise StoreRefused(
            f"{error}, so nobody can tell whether {database} lacks writes; put it back, or restore a backup; "
            f"{sqlite_marker.way_on(database)}"
        ) from None


def refuse_unmarked(database: Path, was_open: bool, marked: Mark | None) -> None:
    """Raises StoreRefused for a database that was not closed and whose mark is gone.

    The mark is there before the database is noted as open, so `was_open` must have been asked before `marked` was
    read. One that was closed lacks nothing, and may have been copied or restored without its mark.
    """
    if was_open and marked is None and not sqlite_marker.is_accepted(database):
        mark = sqlite_marker.highwater_of(database)
        raise StoreRefused(
            f"{mark} is gone, and {database} was not closed, so nobody can tell whether it lacks writes; put the file "
            f"back, or restore a backup; {sqlite_marker.way_on(database)}"
        )


def refuse_behind(database: Path, contents: Contents, marked: Mark | None) -> None:
    """Raises StoreRefused when the database lacks writes that the mark tells of.

    Not when their loss has been accepted, by the operator or by --durability normal, which promises nothing about a
    power cut; that is only said.
    """
    if marked is None or sqlite_marker.is_accepted(database):
        return
    if contents.revision < marked.revision:
        if sqlite_marker.may_lack_writes(database) and marked.identity != highwater.this_boot():
            log.warning(
                "%s lacks revisions %d to %d, which a power cut may take under --durability normal",
                database,
                contents.revision + 1,
                marked.revision,
            )
            return
        raise StoreRefused(
            f"{database} ends at revision {contents.revision}, but {marked.revision} was acknowledged: "
            "the end of its write-ahead log is damaged, or it is an older copy; put the right one back, or restore a "
            f"backup; {sqlite_marker.way_on(database)}"
        )
    found = tally_at(contents, marked.revision)
    if found is not None and found != marked.tally:
        raise StoreRefused(
            f"{database} does not hold the objects that it held at revision {marked.revision} "
            f"({found.objects} of {marked.tally.objects}, or older ones): some of its pages are of an earlier time; "
            f"restore a backup; {sqlite_marker.way_on(database)}"
        )


def tell_of_accepted(database: Path, contents: Contents, marked: Mark | None, goes_on: int) -> None:
    """Leaves word in the log of a loss that the operator has accepted."""
    acknowledged = f"{marked.revision} was acknowledged" if marked else "nobody can tell what was acknowledged"
    log.warning(
        "the loss of writes of %s is accepted: it ends at revision %d, %s; it goes on after revision %d",
        database,
        contents.revision,
        acknowledged,
        goes_on,
    )


def leave_mark(database: Path, contents: Contents) -> None:
    """Makes the mark of a database that no store has open. Raises OSError."""
    file = HighWater(sqlite_marker.highwater_of(database))
    file.begin(Mark(contents.revision, Tally.of(contents.records), highwater.this_boot()))
    file.close()


def tally_at(contents: Contents, revision: int) -> Tally | None:
    """The tally as of an earlier revision, None when the log does not go back to it. Pure."""
    if revision < contents.floor:
        return None
    since = [event for event in contents.events if event.record.revision > revision]
    return Tally.of(contents.records).before(since)
