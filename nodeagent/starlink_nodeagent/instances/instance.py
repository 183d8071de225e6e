"""One instance: an Assignment's life on this server, from its first byte to its last.

A start is in the journal before there is a process, so that the life goes on after the agent's own restart. Nothing
else waits for a disk: what happened is noted, told at once, and written when that is possible.

The life is one loop that looks at what there is and goes on from there (`_go_on`), so it can be entered again
after anything that was raised. What the server lacks for a while is waited out. What can't be cured ends the instance,
and ends all its processes first: nothing runs of an instance that says that it is over.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from starlink.api import duration, quantity
from starlink.api.assignment import Phase
from starlink.api.checks import INVALID_SPEC
from starlink.artifacts.errors import ArtifactError
from starlink.backoff import Pauses
from starlink_nodeagent.decisions import unreadable
from starlink_nodeagent.failures.failure import Failure, NotYet, failure_of
from starlink_nodeagent.failures.shortage import DISK_FULL, Shortage, shortage_of
from starlink_nodeagent.instances import ports, restarts
from starlink_nodeagent.instances.attendance import Attendance
from starlink_nodeagent.instances.changes import Changes
from starlink_nodeagent.instances.findings import Findings
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.instances.stopping import StopWish
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.layout import LOGS, last_run, prune_runs
from starlink_nodeagent.probes import probes
from starlink_nodeagent.runtimes.contract import Exit, Handle, Runtime, stop_of
from starlink_nodeagent.users.user import TaskUser

log = logging.getLogger(__name__)

PAUSES = Pauses(0.5, 4.0)
COSTLY_PAUSES = Pauses(0.5, 15.0)
"""Before another try at what costs the server more than a look: ending processes that can't be ended yet."""


class Instance:
    """A record brought to life. `changed` is called after every step that others should hear of. `fresh`: nothing of it
    can have been started before, so nothing is looked for."""

    def __init__(
        self, record: Record, host: Host, changed: Callable[["Instance"], None], *, fresh: bool = False
    ) -> None:
        self.record = record
        self._host = host
        self._changed = changed
        self._fresh = self._looked = fresh
        self._directory = host.journal.directory(record.uid)
        self._unknown = unreadable.of_template(record.template, host.runtimes)
        self._stop = StopWish()
        self._findings = Findings(record, host)
        self.changes = Changes(record, host)
        self._attendance = Attendance(record, host, self._stop, self._enter, self._findings, self.changes)
        self._run: Handle | None = None
        self._exit: Exit | None = None
        self._failure: Failure | None = None
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        if record.stopping:
            self._stop.set()

    # From outside

    @property
    def unseen(self) -> TaskUser | None:
        """The user as whom something of it may live, as long as neither its record nor a look at it has told that."""
        if self._looked or self.record.prepared or self.record.finished:
            return None
        return self.record.user or self._host.owner(self.record.uid)

    def begin(self) -> None:
        """Starts to live, or goes on living after the agent's restart."""
        self._task = asyncio.create_task(self._live(), name=f"instance {self.record.key}")

    def stop(self) -> None:
        """Asks it to end for good."""
        if not (self.record.stopping or self.record.finished or self._unknown):
            self.record.stopping = True
            self._host.journal.note(self.record)
            self._stop.set()

    async def over(self) -> None:
        """Waits until nothing of it runs."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def leave(self) -> None:
        """The agent goes; the process stays."""
        if self._task is not None:
            self._task.cancel()

    # Its life

    async def _live(self) -> None:
        """Lives until it is over, and is never left before."""
        while True:
            try:
                # One turn up to the process: in several, each phase on the way would be a report of its own.
                await self._host.turn()
                await self._go_on()
                return
            except Exception as error:
                if self._is_cured_by_time(error):
                    await self._rest(COSTLY_PAUSES if isinstance(error, NotYet) and error.costly else PAUSES)

    async def _go_on(self) -> None:
        """Goes on from where it stands to its end. Where it stands is in the record, in `_run` and in `_exit`."""
        if not self._fresh:
            await self._findings.look()
        if self.record.finished:
            await self._end_all()
            return
        if self._unknown:
            await self._leave_alone()
        if self._failure is not None:
            await self._end_all()
            self._finish("Failed", self._failure.reason, str(self._failure))
            return
        await self._look()
        self._looked = True
        if fault := self._host.fault(self.record.template):
            raise Failure(INVALID_SPEC, fault)
        while not self.record.finished:
            if self._run is None and self._exit is None:
                await self._start()
            if self._run is not None:
                self._keep_logs()
                self._exit = await self._attendance.attend(self._run)
                self._run = None
            if self._exit is not None:
                await self._findings.look()
                await self._runtime.sweep(self._host.context(self.record))
                await self._host.turn()
                await self._follow_up(self._exit)

    async def _leave_alone(self) -> None:
        """Says that a newer agent began it in a way that this one doesn't know, and touches nothing, its record least:
        the next agent goes on with it."""
        self.record.reason, self.record.message = unreadable.UNREADABLE, unreadable.told(self._unknown)
        self._changed(self)
        await asyncio.Event().wait()

    def _is_cured_by_time(self, error: Exception) -> bool:
        """Takes note of what went wrong. False: it is to end now."""
        lack = None if isinstance(error, Failure) else shortage_of(error, self._host.journal.folder)
        if lack is None and self._failure is None:
            if not isinstance(error, Failure | ArtifactError):
                log.exception("an instance failed", extra={"assignment": str(self.record.key)})
            self._failure = failure_of(error)
            return False
        log.warning("an instance waits: %s", error, extra={"assignment": str(self.record.key)})
        if lack is not None and lack.reason == DISK_FULL:
            self._host.artifacts.eviction.make_room()
        if lack is not None and not self.record.finished:
            self._tell_lack(lack)
        return True

    async def _rest(self, pauses: Pauses) -> None:
        """Lets time pass before another try; a stop ends it, unless the stop itself is what is tried again."""
        self._failures += 1
        rest = self._host.clock.sleep(pauses.after(self._failures))
        await (rest if self._stop.is_set() else self._stop.within(rest))

    # Looking

    async def _look(self) -> None:
        """Finds what is there of it, whatever its record says: a run that goes on is adopted, all else that lives is
        ended, and where nothing lives the end of the last run is read."""
        if self._fresh or self._run is not None or self._exit is not None:
            return
        record, runtime = self.record, self._runtime
        context = self._host.context(record, self._host.user_of(record))
        found = await runtime.adopt(context)
        if found is not None and found.alive:
            self._adopt(found, context.user)
        await runtime.sweep(context, self._run)
        if found is not None and not found.alive:
            self._exit = await runtime.ended(found)
            record.run, record.user = found.number, context.user

    def _adopt(self, found: Handle, user: TaskUser | None) -> None:
        """Goes on with a run, and makes the record say of it what only the run knows, where that was older or lost."""
        record = self.record
        record.user, record.prepared, record.parked = user, True, False
        record.run, record.ports = found.number, {**record.ports, **found.ports}
        self._run = found

    async def _end_all(self) -> None:
        """Ends whatever lives of it."""
        if not self._fresh and self.record.template.runtime in self._host.runtimes:
            await self._runtime.sweep(self._host.context(self.record, self._host.user_of(self.record)))
            await self._release()

    async def _release(self) -> None:
        """Ends what outlives the runs, before the instance is over. Raises NotYet, OSError."""
        context = self._host.context(self.record, self._host.user_of(self.record))
        await self._runtime.release(context, stop_of(self.record.template.stop))

    @property
    def _runtime(self) -> Runtime[Any]:
        return self._host.runtimes[self.record.template.runtime]

    # Starting

    async def _start(self) -> None:
        """Starts the next run, or finishes when it is to stop. The journal knows of a run before there is a process."""
        if not self._stop.is_set():
            await self._stop.unless(self._prepare())
        if not self._stop.is_set():
            self._runtime.check(self._host.context(self.record))
            ports.check_fixed(self.record.template.ports)
            self.changes.take()
            await self._count_run()
        if self._stop.is_set():
            if not self._fresh:
                await self._release()
            self._finish("Stopped", "Stopped", "it was stopped before it was started")
            return
        self._enter("Starting", "", "")
        self._fresh = False
        try:
            self._run = self._runtime.start(self._host.context(self.record))
        except BaseException:
            self.record.parked = True
            raise
        self._failures = 0
        await self._prune_runs()

    async def _prepare(self) -> None:
        record = self.record
        if record.prepared:
            await self._host.keep_user(record)
            return
        await self._host.give_user(record)
        if record.phase != "Preparing":  # else a reason why it takes long is kept
            self._enter("Preparing", "", "")
        await self._host.journal.make_way(record.uid)
        self._host.journal.make_directory(record.uid)
        probes.check(record.template)
        await self._runtime.prepare(self._host.context(record))
        (self._directory / LOGS).mkdir(mode=0o700, exist_ok=True)
        taken = {*self._host.ports_in_use(record.uid), *record.host_ports}
        record.ports = ports.assign(record.template.ports, record.uid, taken)
        record.prepared = True
        self._host.journal.note(record)

    async def _count_run(self) -> None:
        """Notes the next run. Raises OSError when the disk does not take it."""
        record = self.record
        before = record.run, record.parked, record.started_at
        record.run = max(record.run, last_run(self._directory)) + 1
        record.parked, record.started_at = False, self._host.clock.now()
        try:
            await self._host.journal.save(record)
        except BaseException:
            record.run, record.parked, record.started_at = before
            raise

    def _keep_logs(self) -> None:
        limits = self.record.template.logs
        folder = self._directory / LOGS
        self._host.keep_logs(folder, quantity.count_bytes(limits.max_size), limits.max_files)

    async def _prune_runs(self) -> None:
        """Keeps the directories of this run and of the one before."""
        try:
            await asyncio.to_thread(prune_runs, self._directory, self.record.run - 1)
        except (OSError, RuntimeError) as error:
            log.warning("old runs could not be removed: %s", error, extra={"assignment": str(self.record.key)})

    # After a run

    async def _follow_up(self, exit_: Exit) -> None:
        """After a run has ended: finishes, or waits for the next."""
        record, restart = self.record, self.record.template.restart
        ran_for = self._host.clock.now() - (record.started_at or self._host.clock.now())
        verdict = restarts.after(exit_, restart, record.restarts, record.crashes, ran_for)
        stopped = self._stop.is_set()
        if stopped or isinstance(verdict, restarts.Over):
            await self._release()
        record.exit_code, record.signal, record.finished_at = exit_.code, exit_.signal, self._host.clock.now()
        self._exit = None
        if stopped:
            self._finish_stopped(exit_)
            return
        if isinstance(verdict, restarts.Over):
            self._finish(verdict.phase, verdict.reason, verdict.message)
            return
        record.crashes = 1 if ran_for > duration.seconds(restart.backoff.max) else record.crashes + 1
        record.restarts += 1
        record.parked, record.ready = True, False
        self._enter("Starting", verdict.reason, verdict.message)
        if await self._stop.within(self._host.clock.sleep(verdict.delay)):
            await self._release()
            self._finish_stopped(exit_)

    # Steps

    def _tell_lack(self, lack: Shortage) -> None:
        """Says what it waits for; what runs meanwhile goes on running."""
        record = self.record
        waiting: Phase = "Starting" if record.prepared else "Preparing" if lack.begun else "Pending"
        if self._stop.is_set():
            waiting = "Stopping"
        phase = record.phase if self._run is not None else waiting
        record.ready = record.ready and self._run is not None
        if (record.phase, record.reason, record.message) != (phase, lack.reason, lack.message):
            self._enter(phase, lack.reason, lack.message)

    def _finish_stopped(self, exit_: Exit) -> None:
        self._finish("Stopped", "Stopped", f"it was stopped; {restarts.describe(exit_)}")

    def _enter(self, phase: Phase, reason: str, message: str) -> None:
        self.record.phase, self.record.reason, self.record.message = phase, reason, message
        self._host.journal.note(self.record)
        self._changed(self)

    def _finish(self, phase: Phase, reason: str, message: str) -> None:
        self.record.ready = False
        if self.record.finished_at is None or phase == "Failed":
            self.record.finished_at = self._host.clock.now()
        self._enter(phase, reason, message)
