"""Stopping all instances while the agent is away: what `starlink down --tasks` does.

One that can't be stopped is none of the others' trouble, and is told at the end.
"""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starlink.api.template import Stop as How
from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.layout import ARTIFACTS, INSTANCES
from starlink_nodeagent.runtimes.contract import RunContext, Runtime, stop_of
from starlink_nodeagent.users import claims
from starlink_nodeagent.users.policy import Users

log = logging.getLogger(__name__)


class StillRunning(Exception):
    """The message says what could not be ended, and names the user and the processes."""


async def park_all(data_dir: Path) -> int:
    """Stops every instance, all at once, and notes that the next start is no restart; gives how many there were. Those
    whose record can't be read are stopped too, as a template without a say would be. Raises StillRunning."""
    users = Users(claimed=claims.own(data_dir), foreign=claims.foreign(data_dir))
    host = assembled("", Journal(data_dir / INSTANCES), data_dir / ARTIFACTS, None, users)
    loaded = host.journal.load()
    host.records = lambda: loaded.records
    unknown = [RunContext(uid, host.journal.directory(uid), host.owner(uid)) for uid in loaded.unknown]
    host.undecided = lambda: {context.uid: context.user for context in unknown if context.user is not None}
    running = [record for record in loaded.records if record.run and not record.finished]
    troubles = await asyncio.gather(
        *(_park(host, record) for record in running),
        *(_stop(context, How(), host.runtimes.values()) for context in unknown),
    )
    held = {user for user in (*(r.user for r in loaded.records), *(c.user for c in unknown)) if user is not None}
    alone = sorted({user.uid for user in held if user.alone and not users.is_foreign(user.uid)})
    own = [number for number in alone if not await host.processes.others_run(number, host.journal.has)]
    cleared = [await _clear(number, host) for number in own]
    host.journal.close()
    if words := [*filter(None, (*troubles, *cleared))]:
        raise StillRunning("; ".join(words))
    return len(running) + len(loaded.unknown)


async def _park(host: Host, record: Record) -> str:
    """What could not be ended of it, "" when nothing runs."""
    own = host.runtimes.get(record.template.runtime)
    runtimes = host.runtimes.values() if own is None else (own,)
    if trouble := await _stop(host.context(record), record.template.stop, runtimes):
        return trouble
    record.parked, record.ready = True, False
    try:
        await host.journal.save(record)
    except OSError as error:  # it is stopped all the same, and its next start counts as a restart
        log.error("that it was stopped could not be noted: %s", error, extra={"assignment": str(record.key)})
    return ""


async def _clear(number: int, host: Host) -> str:
    """Ends what hid from the end of its run; what could not be ended, "" when nothing runs as the user."""
    try:
        await host.clearing.clear(number)
    except (OSError, NotYet) as error:
        return f"the user {number} of a task has processes still: {error}"
    return ""


async def _stop(run: RunContext, how: How, runtimes: Iterable[Runtime[Any]]) -> str:
    """Stops what lives of one; what could not be ended, "" when nothing runs or its user is cleared next."""
    try:
        for runtime in runtimes:
            found = await runtime.adopt(run)
            if found is not None and found.alive:
                await runtime.stop(found, stop_of(how))
            await runtime.sweep(run)
            await runtime.release(run, stop_of(how))
    except (OSError, ValueError, KeyError, NotYet) as error:
        log.error("an instance could not be stopped: %s", error, extra={"uid": run.uid})
        is_cleared = isinstance(error, NotYet) and run.user is not None and run.user.alone
        return "" if is_cleared else f"the instance {run.uid} could not be stopped: {error}"
    return ""
