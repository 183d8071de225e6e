"""Ending all that runs as one user, however it hides or multiplies.

A process that clears its environment and leaves its session is known by its user alone, and one that forks faster than
/proc can be read is never caught one by one. kill(2) with -1 signals all processes of a user at once: the kernel holds
its list of processes meanwhile, and a process with a SIGKILL ahead of it can't fork. It signals all that the caller
may signal, so the caller must be no more than that user: a child with the user's number as its effective one. Its real
and saved numbers are those of a spare user, without which the victims could signal it, and stop it, in return; and the
spare user has no processes that it could signal too. https://man7.org/linux/man-pages/man2/kill.2.html
"""

import asyncio
import logging
import os
import subprocess
import sys

from starlink_nodeagent.failure import Failure
from starlink_nodeagent.processes import gone, living

log = logging.getLogger(__name__)

_KILLER = """
import os, sys
uid, spare = map(int, sys.argv[1:])
os.setgroups([])
os.setresgid(spare, spare, spare)
os.setresuid(spare, uid, spare)
os.kill(-1, 9)
"""
_TRIES = 20
_PAUSE = 0.05


BUSY = "TaskUserBusy"


async def clear(uid: int, spare: int) -> None:
    """Kills all processes whose real user is `uid`, until none is left. Raises Failure.

    Only as root, and only for a user that a Task has alone.
    """
    for _ in range(_TRIES):
        if not runs(uid):
            return
        await _kill_all(uid, spare)
        await asyncio.sleep(_PAUSE if runs(uid) else 0)
    raise Failure(BUSY, f"processes of the user {uid} can't be ended; see: ps -U {uid}")


def runs(uid: int) -> bool:
    """Whether a process of the user is there, other than zombies that nobody waits for.

    The kernel is asked for the user's priority, which costs microseconds where it knows no such user, and only then is
    /proc read. https://man7.org/linux/man-pages/man2/getpriority.2.html
    """
    try:
        os.getpriority(os.PRIO_USER, uid)
    except ProcessLookupError:
        return False
    return any(living(uid))


async def _kill_all(uid: int, spare: int) -> None:
    log.info("ending what still runs as a task's user", extra={"user": uid})
    child = _killer(uid, spare)
    await gone(child.pid)
    child.poll()


def _killer(uid: int, spare: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _KILLER, str(uid), str(spare)],
        cwd="/",
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
