"""The runtime Process, put together: what starts, watches, finds and ends a supervisor and what is under it."""

from collections.abc import Awaitable, Callable, Sequence

from starlink.api.template import Template
from starlink_nodeagent import layout
from starlink_nodeagent.artifacts.artifacts import Artifacts
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.processes.processes import Processes
from starlink_nodeagent.runtimes.contract import Exit, Offer, RunContext, Stop
from starlink_nodeagent.runtimes.process import execution, faults, preparation, supervisor, survivors
from starlink_nodeagent.runtimes.process.command import command_of, directory_of
from starlink_nodeagent.runtimes.process.environment import environment
from starlink_nodeagent.runtimes.process.supervisor import Run
from starlink_nodeagent.users import rights


class Process:
    """`path` is the PATH of its processes; `turn` waits until others have had theirs."""

    name = "Process"

    def __init__(
        self, processes: Processes, artifacts: Artifacts, path: str, turn: Callable[[], Awaitable[None]]
    ) -> None:
        self._processes, self._artifacts, self._path, self._turn = processes, artifacts, path, turn

    def offer(self) -> Offer | None:
        return Offer()

    def fault(self, template: Template) -> str:
        return faults.fault(template)

    async def prepare(self, run: RunContext) -> None:
        await preparation.prepare(run, self._artifacts, self._turn)

    def check(self, run: RunContext) -> None:
        self._command(run)

    def start(self, run: RunContext) -> Run:
        command, work = self._command(run)
        return supervisor.start(
            layout.run_directory(run.directory, run.number),
            command,
            work,
            survivors.marker_of(run),
            environment(run, self._path),
            run.directory / layout.LOGS,
            survivors.user_of(run),
        )

    async def adopt(self, run: RunContext) -> Run | None:
        found = await survivors.find(run, self._processes)
        return found.run or survivors.last(run)

    async def lives(self, run: RunContext) -> bool:
        return bool((await survivors.find(run, self._processes)).markers)

    async def ended(self, handle: Run) -> Exit:
        if handle.alive:
            await supervisor.ended(handle)
            handle.alive = False
        return supervisor.exit_of(handle.directory, handle.child)

    async def stop(self, handle: Run, how: Stop) -> None:
        try:
            if handle.outlived:
                await supervisor.sweep(handle.marker, handle.pid, self._processes)
            else:
                await supervisor.stop(handle, how.signal, how.grace, self._processes)
        except NotYet:
            handle.outlived = True
            raise
        handle.alive = False

    async def sweep(self, run: RunContext, keep: Run | None = None) -> None:
        for marker in await survivors.markers(run, self._processes):
            if keep is None or marker.run != keep.marker.run:
                await supervisor.sweep(marker, None, self._processes)

    async def execute(self, run: RunContext, command: Sequence[str], seconds: float) -> str:
        env = environment(run, self._path)
        return await execution.succeed(command, run.directory / layout.WORK, env, survivors.user_of(run), seconds)

    def _command(self, run: RunContext) -> tuple[list[str], str]:
        """What is started, and where, as the run's directory sees it."""
        template = run.template
        with rights.of(survivors.user_of(run)):
            directory = directory_of(template, run.directory / layout.WORK)
            command = command_of(template, directory, environment(run, self._path)["PATH"])
        below = f"../../{layout.WORK}/{template.working_dir}"
        return command, str(directory) if template.working_dir.startswith("/") else below
