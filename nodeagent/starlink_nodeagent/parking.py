"""Stopping all instances while the agent is away: what `starlink down --tasks` does."""

import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from starlink.api import duration
from starlink.api.template import Stop
from starlink_nodeagent import supervisor, survivors
from starlink_nodeagent.journal import Journal
from starlink_nodeagent.processes import Processes
from starlink_nodeagent.record import WORK, Record
from starlink_nodeagent.user import TaskUser, owner_of

log = logging.getLogger(__name__)


async def park_all(data_dir: Path) -> int:
    """Stops every instance, all at once, and notes that the next start is no restart; gives how many there were. Those
    whose record can't be read are stopped too, as a template without a say would be."""
    journal = Journal(data_dir / "instances")
    loaded, processes = journal.load(), Processes()
    running = [record for record in loaded.records if record.run and not record.finished]
    await asyncio.gather(
        *(_park(journal, record, processes) for record in running),
        *(_stop(journal, uid, _owner(journal, uid), Stop(), processes) for uid in loaded.unknown),
    )
    journal.close()
    return len(running) + len(loaded.unknown)


async def _park(journal: Journal, record: Record, processes: Processes) -> None:
    await _stop(journal, record.uid, record.user, record.template.stop, processes)
    record.parked, record.ready = True, False
    try:
        await journal.save(record)
    except OSError as error:  # it is stopped all the same, and its next start counts as a restart
        log.error("that it was stopped could not be noted: %s", error, extra={"assignment": str(record.key)})


async def _stop(journal: Journal, uid: str, user: TaskUser | None, how: Stop, processes: Processes) -> None:
    found = await survivors.find(uid, user, journal.directory(uid), processes)
    if found.run is not None:
        number, grace = signal.Signals[how.signal], duration.seconds(how.grace_period)
        await supervisor.stop(found.run, number, grace, processes)
    await survivors.end(found.markers, processes)


def _owner(journal: Journal, uid: str) -> TaskUser | None:
    with contextlib.suppress(OSError):
        return owner_of(journal.directory(uid) / WORK)
    return None
