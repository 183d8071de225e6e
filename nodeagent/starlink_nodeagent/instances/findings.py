"""What an instance has found, read again and again: told when it has changed, at most once a second, and at its end.

It is not journaled: the file in which it lies is there as long as the instance.
"""

import asyncio
import logging

from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.runtimes.contract import Finding

log = logging.getLogger(__name__)

PERIOD_SECONDS = 1.0
_NOTHING = Finding()


class Findings:
    """Those of a record's instance."""

    def __init__(self, record: Record, host: Host) -> None:
        self._record = record
        self._host = host

    @property
    def _has_any(self) -> bool:
        runtime = self._host.runtimes.get(self._record.template.runtime)
        return runtime is not None and runtime.finds

    async def follow(self) -> None:
        """Looks until cancelled, where there may be any. What goes wrong is none of the instance's trouble."""
        while self._has_any:
            try:
                await self.look()
            except Exception:
                log.exception("what an instance has found could not be read", extra={"uid": self._record.uid})
            await self._host.clock.sleep(PERIOD_SECONDS)

    async def look(self) -> None:
        """Looks once. Raises OSError, RuntimeError when the agent lacks what it takes."""
        record = self._record
        if not self._has_any:
            return
        runtime = self._host.runtimes[record.template.runtime]
        found = await asyncio.to_thread(runtime.finding, self._host.context(record))
        if found != self._host.findings.get(record.uid, _NOTHING):
            self._host.findings[record.uid] = found
            self._host.tell(record)
