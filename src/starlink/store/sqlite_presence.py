"""Whether the files of an open database are still those that bear their names.

What is written into a file that was removed or replaced is gone with its last descriptor, and SQLite says nothing of
it. And a start that finds no database can't tell the first one from one whose database was removed: a note elsewhere in
the data directory says that there was one, and whether its files were found to be others while a server ran.
"""

import logging
import os
from pathlib import Path

from starlink.files import durable
from starlink.store.base import StoreRefused
from starlink.store.sqlite_marker import highwater_of, wal_of

_MADE, _REPLACED = "made", "replaced"

log = logging.getLogger(__name__)

Identity = tuple[int, int]
"""Device and inode."""


class Presence:
    """The files of the database at `path`; without a `note` nothing is remembered beyond one run."""

    def __init__(self, path: Path, note: Path | None) -> None:
        self._path = path
        self._note = note
        self._opened: dict[str, Identity] = {}
        self._known = ""

    def refuse_lost(self) -> None:
        """Raises StoreRefused when there is no database but was one, and when its files were found to be others;
        OSError."""
        word = _read(self._note) if self._note is not None else ""
        if word and not self._path.exists():
            raise StoreRefused(
                f"the database {self._path} is gone; put it and the files beside it back, or restore a backup; to "
                f"start empty, remove {self._note}"
            )
        if word == _REPLACED:
            raise StoreRefused(
                f"the files of {self._path} were removed or replaced while a server ran, so writes that were "
                "acknowledged may be lost; put the right ones back, or restore a backup; to go on with what is there, "
                f"remove {self._note}"
            )

    def begin(self) -> None:
        """The database has been opened, and its files are those that are there now. Raises OSError."""
        files = map(str, (self._path, wal_of(self._path), highwater_of(self._path)))
        self._opened = {path: identity for path in files if (identity := _identity(path)) is not None}
        if self._note is not None and _read(self._note) != _MADE:
            self._note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            durable.replace(self._note, f"{_MADE}\n".encode())

    def end(self) -> None:
        """The database is closed."""
        self._opened = {}

    def problem(self) -> str:
        """Which file is another now, and what to do; nothing when all are there. Three calls of stat."""
        others = [path for path, identity in self._opened.items() if _identity(path) != identity]
        if not others:
            return ""
        return (
            f"files were removed or replaced while this server has them open: {', '.join(others)}; what is written now "
            "would be lost; put the very files back, or stop the server and restore a backup"
        )

    def check(self) -> str:
        """As `problem`, and leaves word of a change, in the log and for the next start."""
        problem = self.problem()
        if problem != self._known:
            self._known = problem
            if problem:
                log.error("nothing is written: %s", problem)
            else:
                log.warning("the files of %s are back, and are written again", self._path)
            self._leave(_REPLACED if problem else _MADE)
        return problem

    def _leave(self, word: str) -> None:
        if self._note is None:
            return
        try:
            durable.replace(self._note, f"{word}\n".encode())
        except OSError as error:
            log.warning("%s was not written: %s", self._note, error)


def _identity(path: str) -> Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - before each commit, and a Path takes as long again
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read(note: Path) -> str:
    try:
        return note.read_text(errors="replace").strip() or _MADE
    except FileNotFoundError:
        return ""
