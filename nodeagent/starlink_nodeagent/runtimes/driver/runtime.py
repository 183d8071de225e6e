"""The runtime Driver, put together: what prepares, starts and tells a driver."""

import asyncio
import sys

import msgspec

from starlink.api.template import Template
from starlink.files import durable, regular
from starlink_nodeagent import layout
from starlink_nodeagent.processes.processes import Processes
from starlink_nodeagent.runtimes.contract import Finding, Offer, RunContext, Stop
from starlink_nodeagent.runtimes.driver import faults, kept, result
from starlink_nodeagent.runtimes.driver.catalogue import PACKAGE, Catalogue
from starlink_nodeagent.runtimes.supervision import supervisor, survivors
from starlink_nodeagent.runtimes.supervision.environment import environment
from starlink_nodeagent.runtimes.supervision.supervised import Supervised
from starlink_nodeagent.runtimes.supervision.supervisor import Run

FEATURE = "driver.starlink.dev"


class Driver(Supervised):
    """`catalogue` holds the drivers that there are."""

    name = "Driver"
    as_agent = finds = True

    def __init__(self, processes: Processes, path: str, catalogue: Catalogue) -> None:
        super().__init__(processes, path)
        self._catalogue = catalogue

    def offer(self) -> Offer | None:
        return Offer(tuple(f"{FEATURE}/{name}" for name in sorted(self._catalogue))) if self._catalogue else None

    def fault(self, template: Template) -> str:
        return faults.fault(template, self._catalogue)

    async def prepare(self, run: RunContext) -> None:
        (run.directory / layout.WORK).mkdir(mode=0o700, exist_ok=True)

    def check(self, run: RunContext) -> None:
        """What it would start is the agent's own installation."""

    def start(self, run: RunContext) -> Run:
        assert run.template.driver is not None
        self._write_spec(run)
        return supervisor.start(
            layout.run_directory(run.directory, run.number),
            # Isolated: neither variables nor the directory that it starts in say what Python imports.
            [sys.executable, "-I", "-m", PACKAGE, run.template.driver.name],
            str(run.directory / layout.WORK),
            survivors.marker_of(run),
            self._environment(run),
            run.directory / layout.LOGS,
            survivors.user_of(run),
            run.directory / layout.SPEC,
        )

    async def reload(self, run: RunContext, handle: Run) -> None:
        await asyncio.to_thread(self._write_spec, run)
        await supervisor.hang_up(handle, self._processes)

    async def lives(self, run: RunContext) -> bool:
        return await super().lives(run) or await kept.lives(run, self._processes)

    async def release(self, run: RunContext, how: Stop) -> None:
        await kept.end(run, how, self._processes)

    def finding(self, run: RunContext) -> Finding:
        driver = run.template.driver
        declared = self._catalogue.get(driver.name) if driver is not None else None
        operation = declared.operations.get(driver.operation) if declared is not None and driver is not None else None
        return result.read(run.directory / layout.RESULT, operation.result) if operation is not None else Finding()

    def _environment(self, run: RunContext) -> dict[str, str]:
        files = {"SPEC": layout.SPEC, "RESULT": layout.RESULT, "KEPT": layout.KEPT}
        own = {f"STARLINK_{name}": str(run.directory / file) for name, file in files.items()}
        return environment(run, self._path) | own

    def _write_spec(self, run: RunContext) -> None:
        """What the driver is to do lies in a file, for everybody may read arguments, and root an environment."""
        driver = run.template.driver
        assert driver is not None
        told = {"operation": driver.operation, "spec": driver.spec, "hostPorts": run.host_ports}
        path, content = run.directory / layout.SPEC, msgspec.json.encode(told)
        if regular.read_head(path, len(content) + 1) != content:
            durable.replace(path, content)
