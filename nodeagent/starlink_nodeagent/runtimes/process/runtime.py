"""The runtime Process, put together: what prepares, checks and starts a task's own command."""

from collections.abc import Awaitable, Callable

from starlink.api.template import Template
from starlink_nodeagent import layout
from starlink_nodeagent.artifacts.artifacts import Artifacts
from starlink_nodeagent.processes.processes import Processes
from starlink_nodeagent.runtimes.contract import Finding, Offer, RunContext, Stop
from starlink_nodeagent.runtimes.process import preparation
from starlink_nodeagent.runtimes.process.command import command_of, directory_of
from starlink_nodeagent.runtimes.supervision import supervisor, survivors
from starlink_nodeagent.runtimes.supervision.environment import environment
from starlink_nodeagent.runtimes.supervision.supervised import Supervised
from starlink_nodeagent.runtimes.supervision.supervisor import Run
from starlink_nodeagent.users import rights


class Process(Supervised):
    """`turn` waits until others have had theirs."""

    name = "Process"
    as_agent = finds = False

    def __init__(
        self, processes: Processes, artifacts: Artifacts, path: str, turn: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(processes, path)
        self._artifacts, self._turn = artifacts, turn

    def offer(self) -> Offer | None:
        return Offer()

    def fault(self, template: Template) -> str:
        return ""

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

    async def reload(self, run: RunContext, handle: Run) -> None:
        """Nothing of a process changes while it runs."""

    async def release(self, run: RunContext, how: Stop) -> None:
        """Nothing of a process outlives its runs."""

    def finding(self, run: RunContext) -> Finding:
        return Finding()

    def _command(self, run: RunContext) -> tuple[list[str], str]:
        """What is started, and where, as the run's directory sees it."""
        template = run.template
        with rights.of(survivors.user_of(run)):
            directory = directory_of(template, run.directory / layout.WORK)
            command = command_of(template, directory, environment(run, self._path)["PATH"])
        below = f"../../{layout.WORK}/{template.working_dir}"
        return command, str(directory) if template.working_dir.startswith("/") else below
