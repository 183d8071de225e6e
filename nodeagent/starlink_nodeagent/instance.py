"""One instance: an Assignment's life on this server, from its first byte to its last.

Each step is in the journal before it is taken, so that the life goes on after the agent's own restart.
"""

import asyncio
import contextlib
import logging
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from starlink.api import duration, quantity
from starlink.artifacts.errors import ArtifactError
from starlink_nodeagent import faults, logs, ports, preparation, probes, probing, restarts, rights, supervisor
from starlink_nodeagent.command import command_of, directory_of
from starlink_nodeagent.environment import environment
from starlink_nodeagent.failure import Failure
from starlink_nodeagent.host import Host
from starlink_nodeagent.journal import WORK, Record
from starlink_nodeagent.processes import Marker
from starlink_nodeagent.restarts import Exit
from starlink_nodeagent.supervisor import Run
from starlink_nodeagent.user import TaskUser

log = logging.getLogger(__name__)


class Instance:
    """A record brought to life. `changed` is called after every step that others should hear of."""

    def __init__(self, record: Record, host: Host, changed: Callable[["Instance"], None]) -> None:
        self.record = record
        self._host = host
        self._changed = changed
        self._directory = host.journal.directory(record.uid)
        self._work = self._directory / WORK
        self._logs = self._directory / preparation.LOGS
        self._fault = faults.fault(record.template)
        self._run: Run | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        if record.stopping:
            self._stop.set()

    # From outside

    def begin(self) -> None:
        """Starts to live, or goes on living after the agent's restart."""
        if not self.record.finished:
            self._task = asyncio.create_task(self._live(), name=f"instance {self.record.key}")

    def stop(self) -> None:
        """Asks it to end for good."""
        if not self.record.stopping and not self.record.finished:
            self.record.stopping = True
            if self._run is None:  # else who attends the run saves it, before the signal
                self._save()
            self._stop.set()

    async def over(self) -> None:
        """Waits until nothing of it runs."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def leave(self) -> None:
        """The agent goes; the process stays."""
        if self._task is not None:
            self._task.cancel()

    def rotate_logs(self) -> None:
        """Rotates its logs when they have grown, unless its template can't be used."""
        limits = self.record.template.logs
        if not self._fault:
            logs.rotate(self._logs, quantity.count_bytes(limits.max_size), limits.max_files)

    # Its life

    async def _live(self) -> None:
        try:
            # One turn up to the process: in several, each phase on the way would be a report of its own.
            await self._host.turn()
            await self._check()
            await self._prepare()
            await self._run_until_over()
        except (Failure, ArtifactError) as failure:
            self._finish("Failed", failure.reason, str(failure))
        except Exception as error:
            log.exception("an instance failed", extra={"assignment": str(self.record.key)})
            self._finish("Failed", "AgentError", f"the agent could not carry it out: {error}")

    async def _check(self) -> None:
        """Raises Failure for a template that can't be used. What an earlier agent started of it is ended first."""
        if self._fault and self.record.user is not None:
            await supervisor.sweep(self._marker(), None, self._host.processes)
        if self._fault:
            raise Failure(faults.INVALID_SPEC, self._fault)

    async def _prepare(self) -> None:
        if self.record.run or not self._stop.is_set():
            await self._host.give_user(self.record)
        if self.record.prepared or self._stop.is_set():
            return
        self._enter("Preparing", "", "")
        await preparation.prepare(self.record, self._directory, self._host)
        self._save()

    async def _run_until_over(self) -> None:
        record = self.record
        exit_: Exit | None = None
        if record.run and not record.parked:
            self._run = await supervisor.adopt(self._run_directory(), self._marker(), self._host.processes)
            if self._run is None:
                exit_ = supervisor.exit_of(self._run_directory())
        while True:
            if self._run is None and exit_ is None:
                if self._stop.is_set():
                    self._finish("Stopped", "Stopped", "it was stopped before it was started")
                    return
                self._start()
            if self._run is not None:
                exit_ = await self._attend(self._run)
                self._run = None
            assert exit_ is not None
            await supervisor.sweep(self._marker(), None, self._host.processes)
            await self._host.turn()
            if self._stop.is_set():
                self._note_exit(exit_)
                self._finish("Stopped", "Stopped", f"it was stopped; {restarts.describe(exit_)}")
                return
            if not await self._go_on(exit_):
                return
            exit_ = None

    def _start(self) -> None:
        """Starts the next run. The journal knows of it before there is a process."""
        record = self.record
        command, work = self._command()
        ports.check_fixed(record.template.ports)
        record.run += 1
        record.parked = False
        record.started_at = self._host.now()
        self._enter("Starting", "", "")
        directory = self._run_directory()
        shutil.rmtree(directory, ignore_errors=True)
        env = self._environment()
        log_file = self._logs / logs.CURRENT
        self._run = supervisor.start(directory, command, work, self._marker(), env, log_file, self._user)
        shutil.rmtree(self._directory / "runs" / str(record.run - 2), ignore_errors=True)

    def _command(self) -> tuple[list[str], str]:
        """The command and where it starts. Raises Failure when either is not there."""
        template = self.record.template
        with rights.of(self._user):
            directory = directory_of(template, self._work)
            command = command_of(template, directory, self._environment()["PATH"])
        below = f"../../{WORK}/{template.working_dir}"  # as the run's directory sees it
        return command, str(directory) if template.working_dir.startswith("/") else below

    def _environment(self) -> dict[str, str]:
        record = self.record
        names = {
            "TASK": record.task,
            "NAMESPACE": record.namespace,
            "ASSIGNMENT": record.name,
            "SLOT": record.slot,
            "SERVER": self._host.server,
        }
        return environment(
            record.template,
            names,
            record.ports,
            self._marker().run,
            self._host.path,
            str(self._work),
            self._user.name,
        )

    async def _attend(self, run: Run) -> Exit:
        """Watches a run until it has ended, probing it; ends it when it is to stop or its probes give it up."""
        verdict: asyncio.Queue[Exit] = asyncio.Queue()
        probed = asyncio.create_task(self._probe(verdict.put_nowait))
        ended = asyncio.create_task(supervisor.ended(run))
        stopped = asyncio.create_task(self._stop.wait())
        unwell = asyncio.create_task(verdict.get())
        try:
            await asyncio.wait((ended, stopped, unwell), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._host.turn()
            if ended.done():
                return supervisor.exit_of(run.directory)
            self.record.ready = False
            self._enter("Stopping" if self._stop.is_set() else self.record.phase, "", "")
            await self._end(run)
            exit_ = supervisor.exit_of(run.directory)
            if not self._stop.is_set() and unwell.done():
                return unwell.result()
            return exit_
        finally:
            tasks = (probed, ended, stopped, unwell)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self, run: Run) -> None:
        how = self.record.template.stop
        grace = duration.seconds(how.grace_period)
        await supervisor.stop(run, signal.Signals[how.signal], grace, self._host.processes)

    async def _probe(self, give_up: probing.GiveUp) -> None:
        target = probes.Target(self.record.ports, self._environment(), self._work, self._user)
        await probing.attend(self.record.template.probes, target, self._started, self._readiness, give_up)

    def _started(self) -> None:
        if self.record.template.probes.readiness is None:
            self._set_ready(True, "Running")
        elif self.record.phase != "Running":
            self._enter("Running", "", "")

    def _readiness(self, well: bool, why: str) -> None:
        self._set_ready(
            well, "Running", "" if well else "NotReady", "" if well else f"the readiness probe fails: {why}"
        )

    async def _go_on(self, exit_: Exit) -> bool:
        """After a run has ended: waits for the next, or finishes. False when it is over."""
        record = self.record
        ran_for = self._host.now() - (record.started_at or self._host.now())
        self._note_exit(exit_)
        restart = record.template.restart
        verdict = restarts.after(exit_, restart, record.restarts, record.crashes, ran_for)
        if isinstance(verdict, restarts.Over):
            self._finish(verdict.phase, verdict.reason, verdict.message)
            return False
        record.crashes = 1 if ran_for > duration.seconds(restart.backoff.max) else record.crashes + 1
        record.restarts += 1
        record.parked = True
        self.record.ready = False
        self._enter("Starting", verdict.reason, verdict.message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(verdict.delay):
                await self._stop.wait()
        if self._stop.is_set():
            self._finish("Stopped", "Stopped", f"it was stopped; {restarts.describe(exit_)}")
            return False
        return True

    # Steps

    def _note_exit(self, exit_: Exit) -> None:
        self.record.exit_code, self.record.signal = exit_.code, exit_.signal
        self.record.finished_at = self._host.now()

    def _set_ready(self, ready: bool, phase: str, reason: str = "", message: str = "") -> None:
        if (self.record.ready, self.record.phase, self.record.message) != (ready, phase, message):
            self.record.ready = ready
            self._enter(phase, reason, message)

    def _enter(self, phase: str, reason: str, message: str) -> None:
        self.record.phase, self.record.reason, self.record.message = phase, reason, message
        self._save()
        self._changed(self)

    def _finish(self, phase: str, reason: str, message: str) -> None:
        self.record.ready = False
        if self.record.finished_at is None or phase == "Failed":
            self.record.finished_at = self._host.now()
        self._enter(phase, reason, message)

    def _save(self) -> None:
        self._host.journal.save(self.record)

    @property
    def _user(self) -> TaskUser:
        assert self.record.user is not None, "a user is given before anything is prepared"
        return self.record.user

    def _marker(self) -> Marker:
        return Marker(f"{self.record.uid}/{self.record.run}", self._user.uid, self._user.spare)

    def _run_directory(self) -> Path:
        return self._directory / "runs" / str(self.record.run)
