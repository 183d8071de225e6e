"""A directory that is a program's own: made, or taken as it is."""

from collections.abc import Collection
from pathlib import Path

PASSABLE = 0o711
"""Others may pass through and not list."""
_OF_THE_FILE_SYSTEM = "lost+found"


class NotUsable(Exception):
    """Why a directory can't be a program's own, and what to do; follows the option and the path."""


def claim(path: Path, markers: Collection[str]) -> None:
    """Makes the directory, passable, or takes one that holds nothing but empty directories, or one of the `markers`,
    paths within it. The mode of one that is there stays as it is. Raises NotUsable."""
    check(path, markers)
    try:
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(PASSABLE)
    except OSError as error:
        raise _not_made(error) from None


def check(path: Path, markers: Collection[str]) -> None:
    """Makes nothing. Raises NotUsable when the directory can't be had."""
    try:
        there = next(part for part in (path, *path.parents) if part.exists())
        if not there.is_dir():
            raise NotADirectoryError
        taken = there == path and not holds(path, markers) and any(_is_theirs(entry) for entry in path.iterdir())
    except OSError as error:
        raise _not_made(error) from None
    if taken:
        raise NotUsable("it is not empty, and not StarLink's; name a directory that is empty or not there yet")


def holds(path: Path, markers: Collection[str]) -> bool:
    """Whether one of the markers is there, as far as one may look."""
    try:
        return any((path / marker).exists() for marker in markers)
    except PermissionError:
        return False


def _is_theirs(entry: Path) -> bool:
    """An empty directory is nobody's: a disk may be mounted there for what will be large."""
    if entry.is_symlink() or not entry.is_dir():
        return True
    return entry.name != _OF_THE_FILE_SYSTEM and any(inner.name != _OF_THE_FILE_SYSTEM for inner in entry.iterdir())


def _not_made(error: OSError) -> NotUsable:
    is_file = isinstance(error, FileExistsError | NotADirectoryError)
    why = "it is, or lies below, a file" if is_file else error.strerror
    return NotUsable(f"{why}; name a directory that you may write")
