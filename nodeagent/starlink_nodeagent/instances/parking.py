"""Stopping all instances while the agent is away: what `starlink down --tasks` does.

One that can't be stopped is none of the others' trouble, and is told at the end.
"""

import asyncio
import logging
import signal
from pathlib import Path

from starlink.api import duration
from starlink.api.template import Stop
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.processes.processes import Processes
from starlink_nodeagent.runtimes.process import supervisor, survivors
from starlink_nodeagent.users import claims
from starlink_nodeagent.users.clearing import Clearing
from starlink_nodeagent.users.policy import Users
from starlink_nodeagent.users.user import TaskUser

log = logging.getLogger(__name__)


class StillRunning(Exception):
    """The message says what could not be ended, and names the user and the processes."""


async def park_all(data_dir: Path) -> int:
    """Stops every instance, all at once, and notes that the next start is no restart; gives how many there were. Those
    whose record can't be read are stopped too, as a template without a say would be. Raises StillRunning."""
    journal = Journal(data_dir / "instances")
    users = Users(claimed=claims.own(data_dir), foreign=claims.foreign(data_dir))
    loaded = journal.load()
    owners = {uid: survivors.owner(journal.directory(uid), users) for uid in loaded.unknown}
    held = {user for user in (*(record.user for record in loaded.records), *owners.values()) if user is not None}
    clearing = Clearing(lambda: users.spares({user.uid for user in held}))
    processes = Processes(clearing.clear)
    running = [record for record in loaded.records if record.run and not record.finished]
    troubles = await asyncio.gather(
        *(_park(journal, record, processes) for record in running),
        *(_stop(journal, uid, owner, Stop(), processes) for uid, owner in owners.items()),
    )
    alone = sorted({user.uid for user in held if user.alone and not users.is_foreign(user.uid)})
    own = [number for number in alone if not await processes.others_run(number, journal.has)]
    cleared = [await _clear(number, clearing) for number in own]
    journal.close()
    if words := [*filter(None, (*troubles, *cleared))]:
        raise StillRunning("; ".join(words))
    return len(running) + len(loaded.unknown)


async def _park(journal: Journal, record: Record, processes: Processes) -> str:
    """What could not be ended of it, "" when nothing runs."""
    if trouble := await _stop(journal, record.uid, record.user, record.template.stop, processes, record.run):
        return trouble
    record.parked, record.ready = True, False
    try:
        await journal.save(record)
    except OSError as error:  # it is stopped all the same, and its next start counts as a restart
        log.error("that it was stopped could not be noted: %s", error, extra={"assignment": str(record.key)})
    return ""


async def _clear(number: int, clearing: Clearing) -> str:
    """Ends what hid from the end of its run; what could not be ended, "" when nothing runs as the user."""
    try:
        await clearing.clear(number)
    except (OSError, NotYet) as error:
        return f"the user {number} of a task has processes still: {error}"
    return ""


async def _stop(
    journal: Journal, uid: str, user: TaskUser | None, how: Stop, processes: Processes, known: int = 0
) -> str:
    """Stops what lives of one; what could not be ended, "" when nothing runs or its user is cleared next."""
    try:
        found = await survivors.find(uid, user, journal.directory(uid), processes, known)
        if found.run is not None:
            number, grace = signal.Signals[how.signal], duration.seconds(how.grace_period)
            await supervisor.stop(found.run, number, grace, processes)
        await survivors.end(found.markers, processes)
    except (OSError, ValueError, KeyError, NotYet) as error:
        log.error("an instance could not be stopped: %s", error, extra={"uid": uid})
        is_cleared = isinstance(error, NotYet) and user is not None and user.alone
        return "" if is_cleared else f"the instance {uid} could not be stopped: {error}"
    return ""
