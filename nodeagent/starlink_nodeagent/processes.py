"""What runs on this server, read from /proc for all who ask at the same time.

A reading costs by the processes of the server, so it is shared: one that begins after several have asked answers them
all. In between the agent does other things. https://man7.org/linux/man-pages/man5/proc.5.html
"""

import asyncio
import contextlib
import os
import re
import signal
from collections import defaultdict

from starlink_nodeagent.environment import RUN_MARKER

REST_SECONDS, LONGEST_REST = 0.05, 0.5
"""Between two readings; twice as long as the last one took, within these."""
_PART = 32
_LOOKS = 8
_BLOCK = 64 * 1024
_MARKER = re.compile(rb"(?:^|\0)" + RUN_MARKER.encode() + rb"=([^\0]*)")


class Snapshot:
    """The living processes, by run marker, and those without a readable one by session."""

    def __init__(self) -> None:
        self._marked: dict[str, list[int]] = defaultdict(list)
        self._unmarked: dict[int, list[int]] = defaultdict(list)

    def see(self, pid: int) -> None:
        """Notes a process, unless it is gone or a zombie."""
        its_session = session_of(pid)
        if its_session is None:
            return
        marker = marker_of(pid)
        if marker is None:
            self._unmarked[its_session].append(pid)
        else:
            self._marked[marker].append(pid)

    def members(self, marker: str, session: int | None) -> list[int]:
        """The processes of a run: with its marker in their environment, or in its session without another one, for a
        session's number may be used again."""
        unmarked = self._unmarked.get(session, ()) if session is not None else ()
        return [*self._marked.get(marker, ()), *unmarked]


class Processes:
    """The readings. `scans` counts them."""

    def __init__(self) -> None:
        self.scans = 0
        self._next: asyncio.Task[Snapshot] | None = None
        self._reading = asyncio.Lock()
        self._rests_until = 0.0

    async def members(self, marker: str, session: int | None) -> list[int]:
        """The living processes of a run, as of a moment after the call."""
        if self._next is None:
            self._next = asyncio.create_task(self._scan())
        return (await asyncio.shield(self._next)).members(marker, session)

    async def _scan(self) -> Snapshot:
        clock = asyncio.get_running_loop().time
        async with self._reading:
            await asyncio.sleep(max(self._rests_until - clock(), 0.0))
            self._next = None  # who asks from here on may mean what this one has passed
            self.scans += 1
            began = clock()
            try:
                return await _read()
            finally:
                took = clock() - began
                self._rests_until = clock() + min(max(REST_SECONDS, 2 * took), LONGEST_REST)


async def _read() -> Snapshot:
    """Looks again for what was started meanwhile, lest a process that forks and ends be missed with its child."""
    snapshot, seen = Snapshot(), set[int]()
    for _ in range(_LOOKS):
        fresh = [pid for pid in _all() if pid not in seen]
        if not fresh:
            break
        seen.update(fresh)
        for start in range(0, len(fresh), _PART):
            for pid in fresh[start : start + _PART]:
                snapshot.see(pid)
            await asyncio.sleep(0)
    return snapshot


def send(pid: int, marker: str, session: int | None, number: signal.Signals) -> None:
    """Signals a process if it is still one of the run: its number may be another's by now."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        descriptor = os.pidfd_open(pid)
        try:
            alone = Snapshot()
            alone.see(pid)
            if alone.members(marker, session):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def session_of(pid: int) -> int | None:
    """The session of a living process, else None."""
    fields = _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[3]) if len(fields) > 3 and fields[0] not in (b"Z", b"X") else None


def marker_of(pid: int) -> str | None:
    """What a process has as its run marker; None without one, or when it can't be read."""
    found = _MARKER.search(_content(f"/proc/{pid}/environ"))
    return found[1].decode(errors="replace") if found else None


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _content(path: str) -> bytes:
    """The whole of a file of /proc, b"" when it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        content = part = os.read(descriptor, _BLOCK)
        while part:
            part = os.read(descriptor, _BLOCK)
            content += part
        return content
    except OSError:
        return b""
    finally:
        os.close(descriptor)
