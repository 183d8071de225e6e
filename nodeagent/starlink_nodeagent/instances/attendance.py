"""One run, watched and probed until it has ended."""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from starlink.api import duration
from starlink.api.assignment import Phase
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.instances.restarts import Exit
from starlink_nodeagent.journal.record import WORK, Record
from starlink_nodeagent.probes import probes, probing
from starlink_nodeagent.runtimes.process import supervisor
from starlink_nodeagent.runtimes.process.launching import user_of
from starlink_nodeagent.runtimes.process.supervisor import Run

log = logging.getLogger(__name__)

PROBE_AGAIN_SECONDS = 4.0

Enter = Callable[[Phase, str, str], None]
"""Called with the phase that the instance is in from now on, a reason and a message."""


class Attendance:
    """Watches the runs of a record, one after another. `environment` gives that of its probes; `stop` is set when the
    instance is to end for good."""

    def __init__(
        self,
        record: Record,
        directory: Path,
        host: Host,
        environment: Callable[[], dict[str, str]],
        stop: asyncio.Event,
        enter: Enter,
    ) -> None:
        self._record = record
        self._work = directory / WORK
        self._host = host
        self._environment = environment
        self._stop = stop
        self._enter = enter
        self._outlived: tuple[Run, Exit | None] | None = None
        """The run that outlived its SIGKILL, and why it was ended where its probes gave it up."""

    async def attend(self, run: Run) -> Exit:
        """Watches a run until it has ended, probing it; ends it when it is to stop or its probes give it up.

        Raises OSError when it can't be watched and NotYet when it can't be ended: it goes on then, and may be attended
        again.
        """
        if self._outlived is not None and self._outlived[0] is run:
            await supervisor.sweep(run.marker, run.pid, self._host.processes)
            return self._outlived[1] or supervisor.exit_of(run.directory, run.child)
        verdict: asyncio.Queue[Exit] = asyncio.Queue()
        probed = asyncio.create_task(self._probe(verdict.put_nowait))
        ended = asyncio.create_task(supervisor.ended(run))
        stopped = asyncio.create_task(self._stop.wait())
        unwell = asyncio.create_task(verdict.get())
        try:
            await asyncio.wait((ended, stopped, unwell), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._host.turn()
            if ended.done() and ended.exception() is None:
                return supervisor.exit_of(run.directory, run.child)
            if not self._stop.is_set() and not unwell.done():
                ended.result()  # raises: it could not be watched, and goes on
            self._record.ready = False
            self._enter("Stopping" if self._stop.is_set() else self._record.phase, "", "")
            given_up = unwell.result() if not self._stop.is_set() and unwell.done() else None
            await self._end(run, given_up)
            return given_up or supervisor.exit_of(run.directory, run.child)
        finally:
            tasks = (probed, ended, stopped, unwell)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self, run: Run, given_up: Exit | None) -> None:
        how = self._record.template.stop
        grace = duration.seconds(how.grace_period)
        try:
            await supervisor.stop(run, signal.Signals[how.signal], grace, self._host.processes)
        except NotYet:
            self._outlived = run, given_up
            raise

    async def _probe(self, give_up: probing.GiveUp) -> None:
        """Probes the run. An error of the prober is none of the instance, and is waited out."""
        record = self._record
        while True:
            target = probes.Target(record.ports, self._environment(), self._work, user_of(record))
            try:
                await probing.attend(record.template.probes, target, self._started, self._readiness, give_up)
                return
            except Exception:
                log.exception("an instance could not be probed", extra={"assignment": str(record.key)})
                await asyncio.sleep(PROBE_AGAIN_SECONDS)

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
