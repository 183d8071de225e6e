"""Logs of instances: written by the process itself, rotated by the agent.

The process appends to `current.log`, so its output needs no agent. A file that has grown is copied and then cut, for
the process keeps it open. Without root the process may put anything in its place, so what is no regular file is never
opened to wait, read or written to. All of it blocks; rotate in a thread.

The file is the task's user's, so that a program can open /dev/stderr and /dev/stdout, which lead to it. Only they do:
its directory is the agent's. Its owner may cut it, make it sparse, lock, lease or seal it, or run it as a program. So
it is never opened to wait, no more of it is read than its limit, and where it can't be appended to a new one takes its
place. https://man7.org/linux/man-pages/man2/fcntl.2.html, https://docs.kernel.org/filesystems/fsverity.html
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

from starlink.files import tree
from starlink_nodeagent.layout import CURRENT_LOG, older_log
from starlink_nodeagent.users.user import TaskUser

_BLOCK = 1024 * 1024
LAST_WORDS = 256 * 1024
"""Of a log that is not copied whole: what a process said last, before it failed perhaps, is not to be lost."""
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


_OWNERS_DOING = (errno.EACCES, errno.EPERM, errno.ETXTBSY, errno.EAGAIN)


def open_for(user: TaskUser, folder: Path) -> int:
    """A descriptor that appends to `current.log`, which is made if need be and is the user's from then on. Raises
    OSError."""
    clear_way(folder)
    try:
        descriptor = _append(folder)
    except OSError as error:
        if error.errno not in _OWNERS_DOING:
            raise
        tree.remove(folder / CURRENT_LOG)
        descriptor = _append(folder)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, user.uid, user.gid)
            os.fchmod(descriptor, 0o600)
        os.set_blocking(descriptor, True)  # programs look at it
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _append(folder: Path) -> int:
    return os.open(folder / CURRENT_LOG, os.O_CREAT | os.O_WRONLY | os.O_APPEND | _SAFE, 0o600)


def clear_way(folder: Path) -> None:
    """Makes the folder, and takes away what stands in the place of its `current.log` and is no regular file. Raises
    OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    current = folder / CURRENT_LOG
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(current.lstat().st_mode):
            tree.remove(current)


def size_of(folder: Path) -> int:
    """How much `current.log` has, 0 when it is not there or no file. Raises FileNotFoundError when its folder has
    gone, OSError."""
    try:
        about = (folder / CURRENT_LOG).lstat()
    except FileNotFoundError:
        folder.lstat()
        return 0
    return about.st_size if stat.S_ISREG(about.st_mode) else 0


def rotate(folder: Path, max_size: int, max_files: int, *, keep: bool = True) -> bool:
    """Rotates when `current.log` has more than `max_size` bytes; `max_files` are kept, it included.

    An older file holds what was there, and the last `max_size` bytes of it where that is more than an eighth above.
    Without `keep`, and where there is no room for that, its last words take the place of the newest older file, and
    `current.log` is cut all the same, so that logs never take more than they may. Raises OSError when it can't be cut.
    """
    try:
        current = os.open(folder / CURRENT_LOG, os.O_RDWR | _SAFE)
    except OSError:
        return False  # it is not there, or no file
    try:
        about = os.fstat(current)
        if not stat.S_ISREG(about.st_mode) or about.st_size <= max_size:
            return False
        copied, said = range(0), b""
        with contextlib.suppress(OSError):
            if keep:
                copied = _keep(current, about.st_size, folder, max_size, max_files)
        with contextlib.suppress(OSError):
            said = _last_words(current, copied, max_size)
        os.ftruncate(current, 0)
        if max_files > 1:
            with contextlib.suppress(OSError):
                _add(said, older_log(folder, 1), anew=not copied)
        return True
    finally:
        os.close(current)


def _keep(current: int, size: int, folder: Path, max_size: int, max_files: int) -> range:
    """Makes an older file of what has this size, and removes the oldest. Returns what of it has been copied. Raises
    OSError."""
    _shift(folder, max_files)
    start = size - max_size if size > max_size + max_size // 8 else 0
    if max_files > 1:
        _copy(current, range(start, size), older_log(folder, 1))
    return range(start, size)


def _last_words(current: int, copied: range, max_size: int) -> bytes:
    """The end of what has been written behind what was copied, as much as may be kept beside that. Raises OSError."""
    most = min(LAST_WORDS, max_size + max_size // 4 - len(copied))
    return os.pread(current, most, max(copied.stop, os.fstat(current).st_size - most))


def _add(said: bytes, target: Path, *, anew: bool) -> None:
    """Raises OSError."""
    if anew:
        tree.remove(target)
    descriptor = os.open(target, os.O_CREAT | os.O_APPEND | os.O_WRONLY | _SAFE, 0o600)
    with os.fdopen(descriptor, "wb") as older:
        older.write(said)


def _shift(folder: Path, max_files: int) -> None:
    """Renames each older file to the next number, and removes the oldest, whose room the new one may need."""
    for number in range(max_files - 1, 0, -1):
        older = older_log(folder, number)
        if number == max_files - 1:
            tree.remove(older)
        else:
            with contextlib.suppress(FileNotFoundError):
                older.rename(older_log(folder, number + 1))


def _copy(source: int, part: range, target: Path) -> None:
    """Copies a part of a file. What can't be copied whole is removed. Raises OSError."""
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _SAFE, 0o600)
    start = part.start
    try:
        with os.fdopen(descriptor, "wb") as written:
            while block := os.pread(source, min(_BLOCK, part.stop - start), start):
                written.write(block)
                start += len(block)
    except OSError:
        target.unlink(missing_ok=True)
        raise
