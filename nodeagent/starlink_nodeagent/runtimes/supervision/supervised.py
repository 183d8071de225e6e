"""A run under a supervisor: found, watched and ended, whatever it was that was started."""

from collections.abc import Sequence

from starlink_nodeagent import layout
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.processes.processes import Processes
from starlink_nodeagent.runtimes.contract import Exit, RunContext, Stop
from starlink_nodeagent.runtimes.supervision import execution, supervisor, survivors
from starlink_nodeagent.runtimes.supervision.environment import environment
from starlink_nodeagent.runtimes.supervision.supervisor import Run


class Supervised:
    """What the runtimes of supervised processes do alike; how a run is prepared and started is each one's own. `path`
    is the PATH of its processes."""

    def __init__(self, processes: Processes, path: str) -> None:
        self._processes, self._path = processes, path

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
