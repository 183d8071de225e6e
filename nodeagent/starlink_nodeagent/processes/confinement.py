"""What binds every process that the agent starts, set once on the agent's own, from which they inherit it.

That way nothing runs between fork and exec, and there is no moment at which a task's process is not bound yet.
"""

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

_AHEAD = 5
_SHARE = 15, 100
"""Of the processes that the machine can have, for one user: systemd's DefaultTasksMax, see systemd-system.conf(5)."""
_PR_SET_NO_NEW_PRIVS = 38
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219}
"""The system call's number, which the C library has no name for."""
_JOIN_SESSION_KEYRING = 1

_ahead = 0
"""By how much the agent goes before its tasks."""


def settle(users_alone: bool) -> None:
    """Called once, before there are threads and tasks.

    No program gives rights by its set-uid bit or its file capabilities; no signal stays ignored or blocked for tasks
    because it is for the agent; root's further groups are dropped; where `users_alone`, each task having a user of its
    own, the processes of one are bounded; and the agent goes before its tasks where it may. Raises OSError.
    """
    _no_new_privileges()
    _usual_signals()
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


def _usual_signals() -> None:
    """What was ignored when the agent was started, as `nohup` does, gets a handler that does nothing: across an exec a
    handler becomes the default, and what is ignored stays so."""
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


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
def for_a_task() -> Iterator[None]:
    """Within it the calling thread forks what is to be a task's: with a session keyring of its own, and with the
    priority of a task. Linux keeps both for each thread, and a new process takes those of the thread that made it. No
    await within. Raises OSError.
    """
    _new_session_keyring()
    if not _ahead:
        yield
        return
    own = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, own + _ahead)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, own)


def _new_session_keyring() -> None:
    """Joins a new one without a name. Whoever has a session keyring possesses the keys in it, so tasks that inherited
    the agent's would read and revoke one another's, and root's. A kernel without keyrings, and a container that bars
    them, has none to share. https://man7.org/linux/man-pages/man7/session-keyring.7.html
    """
    number = _KEYCTL.get(platform.machine())
    libc = ctypes.CDLL(None, use_errno=True)
    if number is None or libc.syscall(number, _JOIN_SESSION_KEYRING, None) >= 0:
        return
    if ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM):
        raise OSError(ctypes.get_errno(), "no session keyring can be had for a task")
