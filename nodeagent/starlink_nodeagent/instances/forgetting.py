"""Forgetting instances: when an Assignment is gone, its instance is stopped and then removed."""

import asyncio
import logging
from collections.abc import Callable

from starlink.backoff import Pauses
from starlink.foreign import said
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.instances.instance import Instance

log = logging.getLogger(__name__)

PAUSES = Pauses(2.0, 10.0)


class Forgetting:
    """What is under way of it. `instances` are those held, by UID: one is held until its files have gone, so that its
    Task's user is no other Task's meanwhile. `over` is called after each."""

    def __init__(self, instances: dict[str, Instance], host: Host, over: Callable[[], None]) -> None:
        self._instances = instances
        self._host = host
        self._over = over
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, uid: str) -> None:
        """Begins with one, unless that is under way."""
        if uid not in self._tasks:
            task = self._tasks[uid] = asyncio.create_task(self._stop_and_forget(uid))
            task.add_done_callback(lambda _: self._tasks.pop(uid))

    def leave(self) -> None:
        """The agent goes; the next one goes on with it, as the record says or, without one, the directory."""
        for task in self._tasks.values():
            task.cancel()

    async def _stop_and_forget(self, uid: str) -> None:
        instance = self._instances[uid]
        instance.stop()
        await instance.over()
        if instance.record.finished:  # else the agent goes, and the next one needs the record
            await self._remove(instance)
            del self._instances[uid]
            self._host.findings.pop(uid, None)
            self._over()

    async def _remove(self, instance: Instance) -> None:
        """Removes what is left of an instance, however often that must be tried. Its processes go first, those that
        hide too: they could make files faster than these are removed, and nothing tells of them afterwards."""
        record = instance.record
        for pause in PAUSES:
            try:
                await self._host.release_user(record.uid, record.user)
                await self._host.journal.forget(record.uid)
                return
            except Exception as error:  # nobody else would go on with it
                log.warning("an instance could not be removed yet: %s", said(error), extra={"uid": record.uid})
                await self._host.clock.sleep(pause)
