"""Stopping all instances while the agent is away: what `starlink down --tasks` does."""

import asyncio
import signal
from pathlib import Path

from starlink.api import duration
from starlink_nodeagent import supervisor
from starlink_nodeagent.journal import Journal, Record
from starlink_nodeagent.processes import Marker, Processes


async def park_all(data_dir: Path) -> int:
    """Stops every instance, all at once, and notes that the next start is no restart; gives how many there were."""
    journal = Journal(data_dir / "instances")
    running = [record for record in journal.load() if record.run and not record.finished]
    processes = Processes()
    await asyncio.gather(*(_park(journal, record, processes) for record in running))
    return len(running)


async def _park(journal: Journal, record: Record, processes: Processes) -> None:
    if record.user is None:
        return
    marker = Marker(f"{record.uid}/{record.run}", record.user.uid, record.user.spare)
    run = await supervisor.adopt(journal.directory(record.uid) / "runs" / str(record.run), marker, processes)
    if run is not None:
        how = record.template.stop
        await supervisor.stop(run, signal.Signals[how.signal], duration.seconds(how.grace_period), processes)
    await supervisor.sweep(marker, None, processes)
    record.parked, record.ready = True, False
    journal.save(record)
