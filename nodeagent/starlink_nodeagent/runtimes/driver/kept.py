"""What a driver keeps running beyond its own run: found by its marker, and by what the driver has noted of it, for a
program may take another environment; and ended with the instance."""

import asyncio
from collections.abc import Sequence

import msgspec

from starlink.files import regular
from starlink_nodeagent.layout import KEPT, KEPT_RUN
from starlink_nodeagent.processes.processes import Marker, Processes, send
from starlink_nodeagent.processes.procfs import started
from starlink_nodeagent.runtimes.contract import RunContext, Stop
from starlink_nodeagent.runtimes.supervision import supervisor

_MOST_BYTES = 1024 * 1024


class _Note(msgspec.Struct, frozen=True):
    """As the driver writes it (`starlink_drivers.kept`)."""

    pid: int = 0
    started: int = 0


async def lives(run: RunContext, processes: Processes) -> bool:
    """Whether the instance has anything kept. Raises OSError."""
    marker = _marker(run)
    if marker is None:
        return False
    found = [await processes.members(marker, session) for session in _sessions(run)]
    return any(found)


async def end(run: RunContext, how: Stop, processes: Processes) -> None:
    """Signals all that is kept, and after the grace period kills what is left. Raises NotYet, OSError."""
    marker = _marker(run)
    if marker is None:
        return
    sessions = _sessions(run)
    for session in sessions:
        for pid in await processes.members(marker, session):
            send(pid, marker, session, how.signal)
    try:
        async with asyncio.timeout(how.grace):
            for session in sessions:
                await supervisor.emptied(marker, session, processes)
    except TimeoutError:
        for session in sessions:
            await supervisor.sweep(marker, session, processes)


def _sessions(run: RunContext) -> Sequence[int | None]:
    """None for what has the marker alone, and the sessions of the processes that are noted and live: a number may be
    another's by now. Raises OSError."""
    content = regular.read_head(run.directory / KEPT, _MOST_BYTES) or b"{}"
    try:
        notes = msgspec.json.decode(content, type=dict[str, _Note])
    except msgspec.MsgspecError:  # what has the marker is found all the same
        notes = {}
    return [None, *(note.pid for note in notes.values() if note.pid and started(note.pid) == note.started)]


def _marker(run: RunContext) -> Marker | None:
    return Marker(f"{run.uid}/{KEPT_RUN}", run.user.uid, run.user.alone) if run.user is not None else None
