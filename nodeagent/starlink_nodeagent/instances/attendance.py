"""One run, watched and probed until it has ended."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from starlink.api.assignment import Phase
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.instances.changes import Changes
from starlink_nodeagent.instances.findings import Findings
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.probes import probes, probing
from starlink_nodeagent.runtimes.contract import Exit, Handle, Runtime, stop_of

log = logging.getLogger(__name__)

PROBE_AGAIN_SECONDS = 4.0

Enter = Callable[[Phase, str, str], None]
"""Called with the phase that the instance is in from now on, a reason and a message."""


class Attendance:
    """Watches the runs of a record, one after another. `stop` is set when the instance is to end for good."""

    def __init__(
        self, record: Record, host: Host, stop: asyncio.Event, enter: Enter, findings: Findings, changes: Changes
    ) -> None:
        self._record = record
        self._host = host
        self._stop = stop
        self._enter = enter
        self._findings = findings
        self._changes = changes
        self._ending: tuple[Handle, Exit | None] | None = None
        """The run that could not be ended yet, and why it is to end where its probes gave it up."""

    async def attend(self, run: Handle) -> Exit:
        """Watches a run until it has ended, probing it; ends it when it is to stop or its probes give it up.

        Raises OSError when it can't be watched and NotYet when it can't be ended: it goes on then, and may be attended
        again.
        """
        if self._ending is not None and self._ending[0] is run:
            return await self._end(run, self._ending[1])
        verdict: asyncio.Queue[Exit] = asyncio.Queue()
        probed = asyncio.create_task(self._probe(verdict.put_nowait))
        ended = asyncio.create_task(self._runtime.ended(run))
        stopped = asyncio.create_task(self._stop.wait())
        unwell = asyncio.create_task(verdict.get())
        found = asyncio.create_task(self._findings.follow())
        changed = asyncio.create_task(self._changes.follow(run))
        try:
            await asyncio.wait((ended, stopped, unwell), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._host.turn()
            is_wanted = not self._stop.is_set() and not unwell.done()
            if ended.done() and (is_wanted or ended.exception() is None):
                return ended.result()  # or raises: it could not be watched, and goes on
            self._record.ready = False
            self._enter("Stopping" if self._stop.is_set() else self._record.phase, "", "")
            return await self._end(run, unwell.result() if not self._stop.is_set() else None)
        finally:
            tasks = (probed, ended, stopped, unwell, found, changed)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _runtime(self) -> Runtime[Any]:
        return self._host.runtimes[self._record.template.runtime]

    async def _end(self, run: Handle, given_up: Exit | None) -> Exit:
        try:
            await self._runtime.stop(run, stop_of(self._record.template.stop))
        except NotYet:
            self._ending = run, given_up
            raise
        return given_up or await self._runtime.ended(run)

    async def _probe(self, give_up: probing.GiveUp) -> None:
        """Probes the run. An error of the prober is none of the instance, and is waited out."""
        record = self._record
        while True:
            execute = partial(self._runtime.execute, self._host.context(record))
            target = probes.Target(record.ports, execute, self._host.clock)
            try:
                await probing.attend(record.template.probes, target, self._started, self._readiness, give_up)
                return
            except Exception:
                log.exception("an instance could not be probed", extra={"assignment": str(record.key)})
                await self._host.clock.sleep(PROBE_AGAIN_SECONDS)

    def _started(self) -> None:
        if self._record.template.probes.readiness is None:
            self._set_ready(True, "Running")
        elif self._record.phase != "Running":
            self._enter("Running", "", "")

    def _readiness(self, well: bool, why: str) -> None:
        self._set_ready(
            well, "Running", "" if well else "NotReady", "" if well else f"the readiness probe fails: {why}"
        )

    def _set_ready(self, ready: bool, phase: Phase, reason: str = "", message: str = "") -> None:
        record = self._record
        if (record.ready, record.phase, record.message) != (ready, phase, message):
            record.ready = ready
            self._enter(phase, reason, message)
