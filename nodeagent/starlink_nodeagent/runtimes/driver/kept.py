"""What a driver keeps running beyond its own run: found by its marker, and ended with the instance."""

import asyncio

from starlink_nodeagent.layout import KEPT_RUN
from starlink_nodeagent.processes.processes import Marker, Processes, send
from starlink_nodeagent.runtimes.contract import RunContext, Stop
from starlink_nodeagent.runtimes.supervision import supervisor


async def lives(run: RunContext, processes: Processes) -> bool:
    """Whether the instance has anything kept. Raises OSError."""
    marker = _marker(run)
    return marker is not None and bool(await processes.members(marker, None))


async def end(run: RunContext, how: Stop, processes: Processes) -> None:
    """Signals all that is kept, and after the grace period kills what is left. Raises NotYet, OSError."""
    marker = _marker(run)
    if marker is None:
        return
    for pid in await processes.members(marker, None):
        send(pid, marker, None, how.signal)
    try:
        async with asyncio.timeout(how.grace):
            await supervisor.emptied(marker, None, processes)
    except TimeoutError:
        await supervisor.sweep(marker, None, processes)


def _marker(run: RunContext) -> Marker | None:
    return Marker(f"{run.uid}/{KEPT_RUN}", run.user.uid, run.user.alone) if run.user is not None else None
