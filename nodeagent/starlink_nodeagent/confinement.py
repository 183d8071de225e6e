"""What binds every process that the agent starts, set once on the agent's own, from which they inherit it.

That way nothing runs between fork and exec, and there is no moment at which a task's process is not bound yet.
"""

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

_AHEAD = 5
_SHARE = 15, 100
"""Of the processes that the machine can have, for one user: systemd's DefaultTasksMax, see systemd-system.conf(5)."""
_PR_SET_NO_NEW_PRIVS = 38

_ahead = 0
"""By how much the agent goes before its tasks."""


def settle(users_alone: bool) -> None:
    """Called once, before there are threads and tasks.

    No program gives rights by its set-uid bit or its file capabilities; root's further groups are dropped; where
    `users_alone`, each task having a user of its own, the processes of one are bounded; and the agent goes before its
    tasks where it may. Raises OSError.
    """
    _no_new_privileges()
    if os.geteuid() != 0:
        return
    with contextlib.suppress(PermissionError):  # a user namespace may forbid it, and have no groups to drop
        os.setgroups([])
    if users_alone:
        _bound(resource.RLIMIT_NPROC, most_processes(_limits_of_machine()))
        _bound(resource.RLIMIT_CORE, 0)
    _go_ahead()


def _no_new_privileges() -> None:
    """https://docs.kernel.org/userspace-api/no_new_privs.html"""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the agent can't give up new privileges")


def _bound(which: int, most: int) -> None:
    """Lowers a limit. That on processes counts by real user and does not bind root."""
    hard = resource.getrlimit(which)[1]
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (bound, bound))


def most_processes(limits: Iterable[str]) -> int:
    """How many processes and threads one user may have, by what the machine's files say of how many there can be;
    "max" and what is no number say nothing. Pure."""
    found = [int(text) for text in (text.strip() for text in limits) if text.isascii() and text.isdigit()]
    part, whole = _SHARE
    return max(1, min(found) * part // whole) if found else resource.RLIM_INFINITY


def _limits_of_machine() -> Iterator[str]:
    kernel = Path("/proc/sys/kernel")
    yield from map(_text, (kernel / "pid_max", kernel / "threads-max"))
    own = next((line[3:] for line in _text(Path("/proc/self/cgroup")).splitlines() if line.startswith("0::")), "/")
    group = Path("/sys/fs/cgroup", own.lstrip("/"))
    while group.is_relative_to("/sys/fs/cgroup"):
        yield _text(group / "pids.max")
        group = group.parent


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _go_ahead() -> None:
    global _ahead
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, before - _AHEAD)
        _ahead = before - os.getpriority(os.PRIO_PROCESS, 0)


@contextlib.contextmanager
def usual_priority() -> Iterator[None]:
    """Within it the calling thread has the priority of a task, so that what it forks has too: Linux keeps a priority
    for each thread, and a new process takes that of the thread that made it. No await within.
    """
    if not _ahead:
        yield
        return
    own = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, own + _ahead)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, own)
