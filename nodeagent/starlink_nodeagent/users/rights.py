"""Looking at files with a task's rights: what the task may not see is not there.

Linux checks a thread's access to files by the thread's file system user. While that is not root's, the kernel leaves
out the capabilities by which root passes such checks. Only the calling thread changes, and its other rights stay.
https://man7.org/linux/man-pages/man2/setfsuid.2.html
"""

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from starlink_nodeagent.users.user import TaskUser

_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2
_ASK = 2**32 - 1
"""No user; setting it changes nothing and gives the present one."""


@contextlib.contextmanager
def of(user: TaskUser) -> Iterator[None]:
    """Within it the calling thread sees files as the user does. No await within. Raises PermissionError."""
    if user.uid == os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None)
    parent, wanted = os.getppid(), _death_signal(libc)
    try:
        _take(libc.setfsgid, user.gid)
        _take(libc.setfsuid, user.uid)
        yield
    finally:
        _take(libc.setfsuid, os.geteuid())
        _take(libc.setfsgid, os.getegid())
        _ask_for_death_signal(libc, wanted, parent)


def _death_signal(libc: ctypes.CDLL) -> int:
    """The signal that the agent gets when its parent dies, 0 for none."""
    found = ctypes.c_int()
    libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(found), 0, 0, 0)
    return found.value


def _ask_for_death_signal(libc: ctypes.CDLL, wanted: int, parent: int) -> None:
    """Asks for it again: the kernel forgets it whenever a process's file system user changes. `up` relies on it, lest a
    kill -9 of `up` leave its agent behind. A parent that died meanwhile is made up for.
    https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
    """
    if not wanted:
        return
    libc.prctl(_PR_SET_PDEATHSIG, wanted, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), wanted)


def _take(change: "ctypes._NamedFuncPointer", number: int) -> None:
    change.argtypes, change.restype = (ctypes.c_uint32,), ctypes.c_uint32
    change(number)
    if change(_ASK) != number:
        raise PermissionError(f"the agent can't look at files as user {number}")


def can_enter(directory: Path) -> bool:
    """Whether a path leads to a directory that can be entered."""
    return stat.S_ISDIR(_kind(directory)) and _may_execute(directory)


def is_file(path: Path) -> bool:
    """Whether a path leads to a regular file."""
    return stat.S_ISREG(_kind(path))


def can_run(path: Path) -> bool:
    """Whether a path leads to a regular file that can be executed."""
    return is_file(path) and _may_execute(path)


def _kind(path: Path) -> int:
    """The type of what a path leads to, 0 for nothing: what is not there and what can't be reached are the same."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return 0


def _may_execute(path: Path) -> bool:
    """By the effective user: access(2) asks for the real one, which stays the agent's."""
    return os.access(path, os.X_OK, effective_ids=True)
