"""Ending all that runs as one user, however it hides or multiplies.

A process that clears its environment and leaves its session is known by its user alone, and one that forks faster than
/proc can be read is never caught one by one. kill(2) with -1 signals all processes of a user at once: the kernel holds
its list of processes meanwhile, and a process with a SIGKILL ahead of it can't fork. It signals all that the caller
may signal, so the caller must be no more than that user: a child with the user's number as its effective one. Its real
and saved numbers are those of a spare user, without which the victims could signal it, and stop it, in return; and the
spare user has no processes that it could signal too. https://man7.org/linux/man-pages/man2/kill.2.html

The spare number is chosen anew for each signal, for a number that was free once may be a Task's by now. Two such
children with the same spare number would end each other, so there is one at a time.
"""

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from starlink_nodeagent.failure import NotYet
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


@dataclass
class Clearing:
    """`spares` gives numbers that are no Task's, the best first."""

    spares: Callable[[], Iterable[int]]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def clear(self, uid: int) -> None:
        """Kills all processes whose real user is `uid`, until none is left. Raises NotYet, OSError.

        Only as root, and only for a user that a Task has alone.
        """
        if os.geteuid() != 0:
            return
        for _ in range(_TRIES):
            async with self._turn:  # nothing runs as the user from now on, a child with its number as the spare neither
                if not runs(uid):
                    return
                await _kill_all(uid, self._spare(uid))
            await asyncio.sleep(_PAUSE if runs(uid) else 0)
        raise _busy(uid, f"see: ps -U {uid}")

    def _spare(self, uid: int) -> int:
        """A number as which nothing runs."""
        found = next((spare for spare in self.spares() if spare != uid and not runs(spare)), None)
        if found is None:
            raise _busy(uid, "no user's number is free to end them with; give the agent more with --task-uids")
        return found


def _busy(uid: int, more: str) -> NotYet:
    return NotYet(BUSY, f"it waits until all processes of the user {uid} are gone, which can't be ended yet; {more}")


def runs(uid: int) -> bool:
    """Whether a process of the user is there, other than zombies that nobody waits for.

    The kernel is asked for the user's priority, which costs microseconds where it knows no such user, and only then is
    /proc read. https://man7.org/linux/man-pages/man2/getpriority.2.html
    """
    try:
        with contextlib.suppress(OverflowError):  # an earlier agent gave numbers that the call can't take
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
