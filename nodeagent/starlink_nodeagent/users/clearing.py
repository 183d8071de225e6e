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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from starlink.backoff import Pauses
from starlink_nodeagent import threads
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.processes.processes import gone
from starlink_nodeagent.processes.procfs import all_pids, living, look_at
from starlink_nodeagent.users import leftovers
from starlink_nodeagent.users.uids import LARGEST

log = logging.getLogger(__name__)

_KILLER = """
import os, sys
uid, spare = map(int, sys.argv[1:])
os.setgroups([])
os.setresgid(spare, spare, spare)
os.setresuid(spare, uid, spare)
os.kill(-1, 9)
"""
_LOOKS = 6
_RACES = 3
"""So often all that the kernel knows of a user may have gone before /proc is read."""
_PAUSES = Pauses(0.05, 0.8)
"""Before the second look and each further one."""
_MOST_NAMED = 10

BUSY = "TaskUserBusy"


@dataclass
class Clearing:
    """`spares` gives numbers that are no Task's, the best first."""

    spares: Callable[[], Iterable[int]]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def clear(self, uid: int) -> None:
        """Kills all processes whose real user is `uid`, until none is left, and removes what they left in the kernel.
        Raises NotYet, OSError. Only as root, and only for a user that a Task has alone."""
        if os.geteuid() == 0:
            await self._end_all(uid)
            await threads.run(leftovers.remove, uid)

    async def _end_all(self, uid: int) -> None:
        """All are killed whenever the kernel knows of one, for /proc may show less. What has a SIGKILL ahead of it is
        waited for, and not signalled again."""
        doomed: set[int] | None = None
        for look in range(_LOOKS):
            await asyncio.sleep(_PAUSES.after(look) if look else 0)
            async with self._turn:  # nothing runs as the user from now on, a child with its number as the spare neither
                if not knows(uid):
                    return
                there = {*living(uid)}
                if (doomed is None or not doomed.issuperset(there)) and await _kill_all(uid, self._spare(uid)):
                    doomed = there | (doomed or set())
                if not runs(uid):
                    return
        raise busy(uid, [*living(uid)])

    def _spare(self, uid: int) -> int:
        """A number as which nothing runs."""
        found = next((spare for spare in self.spares() if spare != uid and not runs(spare)), None)
        if found is None:
            raise _busy(uid, "no user's number is free to end them with; give the agent more with --task-uids")
        return found


def busy(uid: int, pids: Sequence[int]) -> NotYet:
    """What is raised when these processes of a user outlive a SIGKILL."""
    if not pids:
        return _busy(uid, "they are hidden from the agent")
    named = ", ".join(map(str, sorted(pids)[:_MOST_NAMED]))
    more = f" and {len(pids) - _MOST_NAMED} more" if len(pids) > _MOST_NAMED else ""
    what = "such as a file system that does not answer, holds them in the kernel"
    return _busy(uid, f"see what, {what}: ps -o pid,stat,wchan,args -p {named.replace(' ', '')}{more}")


def _busy(uid: int, more: str) -> NotYet:
    return NotYet(BUSY, f"it waits until all processes of the user {uid} are gone, which can't be ended yet; {more}")


def knows(uid: int) -> bool:
    """Whether the kernel has a process of the user, zombies too. It is asked for the user's priority.
    https://man7.org/linux/man-pages/man2/getpriority.2.html"""
    try:
        with contextlib.suppress(OverflowError):  # an earlier agent gave numbers that the call can't take
            os.getpriority(os.PRIO_USER, uid)
    except ProcessLookupError:
        return False
    return True


def runs(uid: int) -> bool:
    """Whether a process of the user is there, other than zombies that nobody waits for. One that the kernel knows and
    /proc does not show is there. /proc is read only where the kernel knows one. Raises OSError."""
    for _ in range(_RACES):
        if not knows(uid):
            return False
        shown = [one.lives for one in map(look_at, all_pids()) if one is not None and one.user == uid]
        if shown or uid > LARGEST:
            return any(shown)
    return True


async def _kill_all(uid: int, spare: int) -> bool:
    """Whether all that ran as the user when it was called has a SIGKILL ahead of it."""
    log.info("ending what still runs as a task's user", extra={"user": uid})
    child = _killer(uid, spare)
    await gone(child.pid)
    return child.poll() == 0


def _killer(uid: int, spare: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _KILLER, str(uid), str(spare)],
        cwd="/",
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
