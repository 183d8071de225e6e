"""What runs on this server, read from /proc for all who ask at the same time.

A reading costs by the processes of the server, so it is shared: one that begins after several have asked answers them
all. In between the agent does other things. What a process says of itself is read only where its real user, which the
kernel says, is one that was asked for.
"""

import asyncio
import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from starlink_nodeagent.layout import INSTANCES, WORK, is_uid
from starlink_nodeagent.processes.procfs import all_pids, run_of, user_of

REST_SECONDS, LONGEST_REST = 0.05, 0.5
"""Between two readings; twice as long as the last one took, within these."""
_STRETCH_SECONDS = 0.002
"""So long a reading goes on before others have a turn."""
_LOOKS = 8
_ROOT = 0


@dataclass(frozen=True, slots=True)
class Marker:
    """A run as its processes are known: `run`, which is `<assignment uid>/<number>`, in the environment, and the real
    user. A process of another user that forges the former is no member. `alone` is as in TaskUser."""

    run: str
    uid: int
    alone: bool = False

    def takes(self, uid: int) -> bool:
        """Whether a process of that user can be of the run: what runs as root can become anybody."""
        return self.uid in (uid, _ROOT)


class ProcessTable:
    """The living processes of some users, by run, and those without a readable marker by session. `users` None means
    all of them."""

    def __init__(self, users: frozenset[int] | None) -> None:
        self._users = None if users is None or _ROOT in users else users
        self._marked: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._unmarked: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def see(self, pid: int) -> None:
        """Notes a process, unless it is gone, a zombie, or of a user that was not asked for."""
        user = user_of(pid)
        if user is None or (self._users is not None and user not in self._users):
            return
        run = run_of(pid)
        if run is not None:
            self._marked[run].append((pid, user))
            return
        with contextlib.suppress(ProcessLookupError):
            self._unmarked[os.getsid(pid)].append((pid, user))

    def members(self, marker: Marker, session: int | None) -> list[int]:
        """The processes of a run: with its marker in their environment, or in its session without another one, for a
        session's number may be used again; and of its user."""
        unmarked = self._unmarked.get(session, ()) if session is not None else ()
        return [pid for pid, user in (*self._marked.get(marker.run, ()), *unmarked) if marker.takes(user)]

    def marked(self, user: int) -> Iterator[tuple[int, str]]:
        """The processes of the user that bear a marker, each with the assignment's UID in it."""
        for run, seen in self._marked.items():
            yield from ((pid, run.rpartition("/")[0]) for pid, one in seen if one == user)

    def runs_of(self, assignment: str) -> list[str]:
        """The runs of an assignment that a process has as its marker."""
        return [run for run in self._marked if run.startswith(f"{assignment}/")]


def _is_at_home(pid: int, assignment: str, user: int) -> bool:
    """Whether a process is in the directory of that instance, which is an agent's own and holds the user's `work`. Any
    process can write any marker, and with it pass for a stranger's; none can make itself such a directory."""
    with contextlib.suppress(OSError):
        place = Path(f"/proc/{pid}/cwd").readlink()
        for folder in (place, *place.parents):
            if (folder.parent.name, folder.name) == (INSTANCES, assignment):
                return folder.lstat().st_uid == os.geteuid() and (folder / WORK).lstat().st_uid == user
    return False


async def _nothing(_user: int) -> None:
    """Where no user is one Task's alone."""


class Processes:
    """The readings. `scans` counts them. `clear` ends all processes of a user that is one Task's alone."""

    def __init__(self, clear: Callable[[int], Awaitable[None]] = _nothing) -> None:
        self.scans = 0
        self.clear = clear
        self._next: asyncio.Task[ProcessTable] | None = None
        self._asked: set[int] = set()
        self._reading = asyncio.Lock()
        self._rests_until = 0.0

    async def members(self, marker: Marker, session: int | None) -> list[int]:
        """The living processes of a run, as of a moment after the call."""
        return (await self.snapshot(marker.uid)).members(marker, session)

    async def snapshot(self, user: int) -> ProcessTable:
        """The living processes of a user at least, as of a moment after the call."""
        if self._next is None:
            self._next = asyncio.create_task(self._scan())
        self._asked.add(user)
        return await asyncio.shield(self._next)

    async def others_run(self, user: int, is_own: Callable[[str], bool]) -> bool:
        """Whether an instance of another agent runs as the user: a process that bears the marker of an Assignment which
        is not this agent's, and is where only an agent puts one. Raises OSError."""
        marked = (await self.snapshot(user)).marked(user)
        return any(is_uid(uid) and not is_own(uid) and _is_at_home(pid, uid, user) for pid, uid in marked)

    async def _scan(self) -> ProcessTable:
        clock = asyncio.get_running_loop().time
        async with self._reading:
            await asyncio.sleep(max(self._rests_until - clock(), 0.0))
            snapshot = ProcessTable(frozenset(self._asked))
            self._asked.clear()
            self._next = None  # who asks from here on may mean what this one has passed
            self.scans += 1
            began = clock()
            try:
                await _read(snapshot)
                return snapshot
            finally:
                took = clock() - began
                self._rests_until = clock() + min(max(REST_SECONDS, 2 * took), LONGEST_REST)


async def _read(snapshot: ProcessTable) -> None:
    """Looks again for what was started meanwhile, lest a process that forks and ends be missed with its child."""
    clock = asyncio.get_running_loop().time
    seen, turn = set[int](), clock()
    for _ in range(_LOOKS):
        fresh = [pid for pid in all_pids() if pid not in seen]
        if not fresh:
            break
        seen.update(fresh)
        for pid in fresh:
            snapshot.see(pid)
            if clock() - turn > _STRETCH_SECONDS:
                await asyncio.sleep(0)
                turn = clock()


def send(pid: int, marker: Marker, session: int | None, number: signal.Signals) -> None:
    """Signals a process if it is still one of the run: its number may be another's by now."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        descriptor = os.pidfd_open(pid)
        try:
            alone = ProcessTable(frozenset({marker.uid}))
            alone.see(pid)
            if alone.members(marker, session):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


async def gone(pid: int) -> None:
    """Waits until a process has ended, whoever's child it is."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
