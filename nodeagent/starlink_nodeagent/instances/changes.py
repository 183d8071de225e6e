"""Changes for an instance while it lives: journaled, brought to its run, and only then what its record says.

An agent that dies on the way leaves a record that is older or newer than what the run was told. So a run that is
attended is always told once, and what differs from what is declared is brought to it again. Host ports are the
instance's from the wish on, and those that it is to give up until that is done.
"""

import asyncio
import logging

import msgspec

from starlink_nodeagent.decisions.changes import Wish, is_fulfilled
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.runtimes.contract import Handle

log = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0


class Changes:
    """Those of a record's instance; of several that come together the latest counts."""

    def __init__(self, record: Record, host: Host) -> None:
        self._record = record
        self._host = host
        self._wished = asyncio.Event()
        self._wish: Wish | None = None

    def has(self, wish: Wish) -> bool:
        """Whether it is so already, or will be without another word."""
        return wish == self._wish if self._wish is not None else is_fulfilled(self._record, wish)

    def wish(self, wish: Wish) -> None:
        self._wish = wish
        self._record.host_ports = tuple(sorted({*self._record.host_ports, *wish.host_ports}))
        self._host.journal.note(self._record)
        self._wished.set()

    def take(self) -> None:
        """Fulfils the wish before a run is journaled and started, which is told of it by that."""
        if self._wish is not None:
            self._keep(self._wish)

    async def follow(self, run: Handle) -> None:
        """Brings what is wished to a run until cancelled. What goes wrong is tried again, and ends nothing."""
        while True:
            self._wished.clear()
            try:
                await self._bring(run)
            except Exception:
                log.exception("a change could not be made yet", extra={"assignment": str(self._record.key)})
                await self._host.clock.sleep(AGAIN_SECONDS)
            else:
                await self._wished.wait()

    async def _bring(self, run: Handle) -> None:
        """Raises OSError when the disk does not take it."""
        wish, changed = self._wish, self._record
        if wish is not None:
            changed = msgspec.structs.replace(changed, template=wish.template, host_ports=wish.host_ports)
            await self._host.journal.save(changed)
        await self._host.runtimes[changed.template.runtime].reload(self._host.context(changed), run)
        if wish is not None:
            self._keep(wish)
            self._host.tell(self._record)

    def _keep(self, done: Wish) -> None:
        """What was wished meanwhile is still wished."""
        if self._wish == done:
            self._wish = None
        later = self._wish.host_ports if self._wish is not None else ()
        self._record.template = done.template
        self._record.host_ports = tuple(sorted({*done.host_ports, *later}))
        self._host.journal.note(self._record)
