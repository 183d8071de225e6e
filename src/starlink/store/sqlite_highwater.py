"""A database and its high-water mark: whether it holds all that was acknowledged."""

import logging
from pathlib import Path

from starlink.store import highwater, sqlite_marker
from starlink.store.base import StoreRefused
from starlink.store.highwater import DamagedMark, Mark
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


def tally_at(contents: Contents, revision: int) -> Tally | None:
    """The tally as of an earlier revision, None when the log does not go back to it. Pure."""
    if revision < contents.floor:
        return None
    since = [event for event in contents.events if event.record.revision > revision]
    return Tally.of(contents.records).before(since)
