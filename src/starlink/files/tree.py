"""Directory trees that a stranger may own a part of: removed and given away, however deep they are.

A path is looked up anew at each call, so whoever owns a directory on the way can put a link in its place between two
calls, and the second one then works somewhere else. A descriptor goes on meaning the directory that was opened. So a
tree is walked by descriptors: each step down opens one name of the present directory and follows no link.

The walk keeps one descriptor, not one a level, for a tree may be deeper than the number of files that a process may
have open, and it does not recurse. The way back is "..", which whoever owns the tree can change by moving a directory;
each level's device and inode are noted on the way down, and a way up that leads elsewhere ends the walk.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_BATCH = 256
"""So many subdirectories of one directory are noted at once, so that a wide tree costs no memory."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_DIRECTORY = _FOLDER | os.O_NOFOLLOW


class Moved(OSError):
    """Somebody moved a directory away while it was being walked through."""


def remove(path: Path) -> None:
    """Removes what `path` names, with all below it; a link is removed and not followed.

    The folder that holds `path` is the caller's own. What is not there is no error. Raises OSError, Moved included,
    when something could not be removed.
    """
    with contextlib.suppress(FileNotFoundError), _opened(path.parent, _FOLDER) as parent:
        if _removed(parent, path.name):
            return
        walk = _Walk(parent)
        try:
            walk.down(path.name)
            _empty(walk)
            walk.up()
        finally:
            walk.close()
        os.rmdir(path.name, dir_fd=parent)


def give(path: Path, uid: int, gid: int) -> None:
    """Gives the tree at `path` to a user, its root last; until then nobody but the caller's user can enter it.

    Nobody else can have a part of it yet: an unpacked archive is given before anything else of it is used. Raises
    OSError.
    """
    with _opened(path, _DIRECTORY) as root:
        os.fchmod(root, 0o700)
        walk = _Walk(root)
        try:
            _give_below(walk, uid, gid)
        finally:
            walk.close()
        os.fchown(root, uid, gid)


def hand_over(path: Path, owner: int, uid: int, gid: int) -> None:
    """Gives all of the tree at `path` that is `owner`'s to another user, its root last. Others with the owner's number
    may be at work in it meanwhile: nothing changes hands but what is the owner's, and no link is followed.

    Called again after it was interrupted, it goes on. Raises OSError, Moved included.
    """
    with _opened(path, _DIRECTORY) as root:
        walk = _Walk(root)
        try:
            _give_below(walk, uid, gid, owner)
        finally:
            walk.close()
        os.fchown(root, uid, gid)


@dataclass(slots=True)
class _Level:
    """A directory that the walk came through: which one it is, the name it was left by, and its subdirectories that
    were not walked yet."""

    identity: tuple[int, int]
    name: str
    ahead: list[str]


@dataclass(slots=True)
class _Walk:
    """A place in a tree. `ahead` names subdirectories of the present directory that are to be walked."""

    start: int
    here: int = -1
    ahead: list[str] = field(default_factory=list)
    _way: list[_Level] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.here = os.dup(self.start)

    @property
    def depth(self) -> int:
        return len(self._way)

    def down(self, name: str) -> None:
        """Into a subdirectory. Raises OSError when `name` is none."""
        child = _open_directory(name, self.here)
        self._way.append(_Level(_identity(self.here), name, self.ahead))
        self._go(child, [])

    def up(self) -> str:
        """Back to where the present directory was entered from; gives its name there. Raises Moved."""
        level = self._way.pop()
        parent = os.open("..", _DIRECTORY, dir_fd=self.here)
        if _identity(parent) != level.identity:
            os.close(parent)
            raise Moved(errno.ESTALE, "a directory was moved away while its tree was walked", level.name)
        self._go(parent, level.ahead)
        return level.name

    def _go(self, place: int, ahead: list[str]) -> None:
        os.close(self.here)
        self.here, self.ahead = place, ahead

    def close(self) -> None:
        os.close(self.here)


def _empty(walk: _Walk) -> None:
    """Removes all that is in the present directory."""
    top = walk.depth
    while True:
        if not walk.ahead:
            walk.ahead = _remove_names(walk.here)
        if walk.ahead:
            walk.down(walk.ahead.pop())
        elif walk.depth > top:
            name = walk.up()
            os.rmdir(name, dir_fd=walk.here)
        else:
            return


def _remove_names(directory: int) -> list[str]:
    """Removes files and empty subdirectories; gives some of the others, none when the directory is empty."""
    if os.geteuid() != 0:
        os.fchmod(directory, 0o700)  # its owner may have taken away his own right to change it
    full: list[str] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if not _removed(directory, entry.name):
                full.append(entry.name)
                if len(full) == _BATCH:
                    break
    return full


def _removed(directory: int, name: str) -> bool:
    """Removes a name; False when it is a directory that holds something. Raises OSError."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError) as error:
        return _removed_directory(directory, name, error)
    return True


def _removed_directory(directory: int, name: str, error: OSError) -> bool:
    try:
        os.rmdir(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        raise error from None
    except OSError as full:
        if full.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _give_below(walk: _Walk, uid: int, gid: int, owner: int | None = None) -> None:
    top = walk.depth
    walk.ahead = _give_names(walk.here, uid, gid, owner)
    while True:
        if walk.ahead:
            walk.down(walk.ahead.pop())
            walk.ahead = _give_names(walk.here, uid, gid, owner)
        elif walk.depth > top:
            walk.up()
        else:
            return


def _give_names(directory: int, uid: int, gid: int, owner: int | None) -> list[str]:
    """Gives the entries of a directory, those of `owner` where one is named, to the user; names its subdirectories."""
    below = []
    with os.scandir(directory) as entries:
        for entry in entries:
            _give_name(directory, entry.name, uid, gid, owner)
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
    return below


def _give_name(directory: int, name: str, uid: int, gid: int, owner: int | None) -> None:
    if owner is None:
        os.chown(name, uid, gid, dir_fd=directory, follow_symlinks=False)
        return
    with contextlib.suppress(FileNotFoundError):
        placed = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            if os.fstat(placed).st_uid == owner:
                os.chown(f"/proc/self/fd/{placed}", uid, gid)
        finally:
            os.close(placed)


def _open_directory(name: str, parent: int) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        # Without root: the directory's owner, who is the caller, took away his own right to read it.
        placed = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{placed}", stat.S_IRWXU)  # noqa: PTH101 - a descriptor, not a path
            return os.open(name, _DIRECTORY, dir_fd=parent)
        finally:
            os.close(placed)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _identity(descriptor: int) -> tuple[int, int]:
    about = os.fstat(descriptor)
    return about.st_dev, about.st_ino
