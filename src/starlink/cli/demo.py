"""`starlink demo`: the main job, shown on this machine in a folder of its own."""

import asyncio
import contextlib
import json
import os
import pwd
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import click
import msgspec
from rich.console import Console

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, SERVER, TASK
from starlink.api.labels import GONE_ANNOTATION
from starlink.artifacts.pack import pack
from starlink.assets import asset_dir
from starlink.cli import extras, instances
from starlink.cli.apply import apply_one
from starlink.cli.datadir import DataDir, NotStarted
from starlink.cli.launcher import LocalAgent, Standalone
from starlink.cli.manifests import read
from starlink.cli.namespace import Namespace
from starlink.cli.placed import placed
from starlink.cli.progress import NotReached, Progress
from starlink.cli.settings import AgentSettings
from starlink.client.config import load
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink_nodeagent.layout import CURRENT_LOG, INSTANCES, LOGS

STEP_SECONDS = 45.0
NAMESPACE = "default"
SERVERS = ("s1", "s2")


class DemoFailed(Exception):
    """What did not work."""


@click.command()
@click.option("--keep", is_flag=True, help="Leave it running at the end.")
def command(keep: bool) -> None:
    """See the main job: two servers, a service, a batch job, a crash, a failover; in a temporary folder."""
    extras.demand("demo")
    folder = Path(tempfile.mkdtemp(prefix="starlink-demo-"))
    folder.chmod(0o711)
    try:
        asyncio.run(_demo(folder, keep))
    except (DemoFailed, NotReached, NotStarted, ClientError) as error:
        raise click.ClickException(f"the demo failed: {error}") from None
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; everything the demo started is stopped") from None


async def _demo(folder: Path, keep: bool) -> None:
    console = Console(highlight=False)
    user = pwd.getpwuid(os.geteuid()).pw_name
    artifacts = folder / "artifacts"
    artifacts.mkdir()
    data = DataDir(folder / "starlink")
    told = AgentSettings(artifact_dir=str(artifacts), task_user=user)
    agents = [LocalAgent(folder / name, msgspec.structs.replace(told, name=name)) for name in SERVERS]
    standalone = Standalone(data, agents=agents)
    stop = asyncio.current_task()
    assert stop is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.cancel)
    kept = False
    try:
        for name in ("web", "wordcount"):
            pack(asset_dir("examples") / name / "app", artifacts / f"{name}.zip")
        await standalone.start()
        async with Client(load(data.admin_kubeconfig)) as client:
            await Demo(console, client, standalone, folder).run()
        kept = keep
        console.print(_next_steps(data, kept), soft_wrap=True)
        if kept:
            await asyncio.Event().wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await standalone.stop()
        for process in instances.below(folder):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """The steps, each shown as it happens and checked."""

    def __init__(self, console: Console, client: Client, standalone: Standalone, folder: Path) -> None:
        self._console = console
        self._client = client
        self._progress = Progress(client, NAMESPACE, STEP_SECONDS)
        self._standalone = standalone
        self._folder = folder
        self._began = time.monotonic()

    async def run(self) -> None:
        """All steps. Raises DemoFailed, NotReached or ClientError with what did not work."""
        await self._servers()
        await self._apply()
        await self._web_answers()
        await self._words()
        await self._crash()
        await self._scale()
        await self._failover()
        await self._clean_up()
        self._say(f"[bold green]done[/] in {time.monotonic() - self._began:.0f} s")

    @contextlib.asynccontextmanager
    async def _step(self, title: str) -> AsyncIterator[None]:
        started = time.monotonic()
        with self._console.status(title) if self._console.is_terminal else contextlib.nullcontext():
            yield
        self._say(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _detail(self, text: str) -> None:
        self._console.print(f"    {text}", style="dim", soft_wrap=True)

    async def _servers(self) -> None:
        async with self._step("API server, operator and two agents are up; both servers are ready"):
            await self._progress.until(self._all_servers_ready, "the servers did not become ready")
        self._detail(f"listening at {self._standalone.url}, everything in {self._folder}")

    async def _all_servers_ready(self) -> bool:
        return await self._progress.ready_servers() == len(SERVERS)

    async def _apply(self) -> None:
        root = asset_dir("examples")
        files = tuple(str(path) for path in (root, root / "web", root / "wordcount"))
        async with self._step("applied examples/"):
            for one in await placed(self._client, read(files), Namespace(NAMESPACE)):
                done, _ = await apply_one(self._client, one)
                self._detail(f"{one.kind.kind.lower()}/{one.manifest.name} {done}")

    async def _web_answers(self) -> None:
        async with self._step("web: 3 replicas are ready, each answers"):
            await self._progress.until_ready("web", 3)
            for assignment in await self._progress.assignments("web"):
                said = await self._ask(assignment)
                self._detail(f"http://{self._address(assignment)}/ → {json.dumps(said)}")

    async def _ask(self, assignment: Assignment) -> dict[str, str]:
        """What the instance says of itself; it must be the one that is meant."""
        endpoint = assignment.status.endpoints[0]
        reader, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
        writer.write(f"GET / HTTP/1.0\r\nHost: {endpoint.address}\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        said: dict[str, str] = json.loads(body) if b" 200 " in head else {}
        if said.get("assignment") != assignment.name:
            raise DemoFailed(f"{assignment.name} answers {said or head!r}")
        return said

    def _address(self, assignment: Assignment) -> str:
        endpoint = assignment.status.endpoints[0]
        return f"{endpoint.address}:{endpoint.port}"

    async def _words(self) -> None:
        async with self._step("wordcount: the batch is complete"):
            await self._progress.until(
                lambda: self._progress.condition("wordcount", "Complete"), "wordcount did not complete"
            )
            (assignment,) = await self._progress.assignments("wordcount")
        log = self._instance(assignment) / LOGS / CURRENT_LOG
        for line in log.read_text().splitlines()[:4]:
            self._detail(line.strip())

    def _instance(self, assignment: Assignment) -> Path:
        return self._folder / assignment.spec.server / INSTANCES / assignment.uid

    async def _crash(self) -> None:
        victim = (await self._progress.assignments("web"))[0]
        (process,) = (
            one
            for one in instances.below(self._folder)
            if one.env.get("STARLINK_ASSIGNMENT") == victim.name and b"server.py" in one.command  # not its supervisor
        )
        async with self._step(f"killed {victim.name} (pid {process.pid}, SIGKILL); it came back"):
            process.kill()
            restarted: list[Assignment] = []

            async def came_back() -> bool:
                restarted[:] = [a for a in await self._progress.assignments("web") if a.uid == victim.uid]
                return (
                    bool(restarted)
                    and restarted[0].status.restarts == victim.status.restarts + 1
                    and restarted[0].status.ready
                )

            await self._progress.until(came_back, f"{victim.name} did not come back")
            await self._ask(restarted[0])
        self._detail(f"the same assignment, restarts {victim.status.restarts} → {restarted[0].status.restarts}")

    async def _scale(self) -> None:
        for count in (5, 2):
            async with self._step(f"scaled web to {count}"):
                await self._client.patch(TASK, "web", {"spec": {"replicas": count}}, NAMESPACE)
                await self._progress.until_ready("web", count)
                await self._progress.until(partial(self._has, "web", count), f"web has not {count} assignments")

    async def _has(self, task: str, count: int) -> bool:
        return len(await self._progress.assignments(task)) == count

    async def _failover(self) -> None:
        agent = next(child for child in self._standalone.children if child.name == "agent-s2")
        before = [a.name for a in await self._progress.assignments("web") if a.spec.server == "s2"]
        async with self._step(f"killed agent s2 and its processes ({', '.join(before)}); its work moved to s1"):
            await self._standalone.kill_child(agent)
            for process in instances.below(self._folder):
                if process.env.get("STARLINK_SERVER") == "s2":
                    process.kill()

            async def moved() -> bool:
                ready = [a for a in await self._progress.assignments("web") if a.status.ready and a.spec.server == "s1"]
                return len(ready) == 2 and await self._progress.condition("web", "Ready")

            await self._progress.until(moved, "the work did not move")
        for assignment in await self._progress.assignments("web"):
            if assignment.spec.server == "s1":
                await self._ask(assignment)
                self._detail(f"{assignment.name} on s1 answers at {self._address(assignment)}")

    async def _clean_up(self) -> None:
        async with self._step("deleted everything; nothing is left running"):
            await self._client.patch(SERVER, "s2", {"metadata": {"annotations": {GONE_ANNOTATION: "true"}}})
            await self._client.delete(SERVER, "s2")
            for task in ("web", "wordcount", "hello"):
                await self._client.delete(TASK, task, NAMESPACE)

            async def nothing_left() -> bool:
                left = (await self._client.list(ASSIGNMENT)).items
                return not left and not instances.below(self._folder)

            await self._progress.until(nothing_left, "something is left running")


def _next_steps(data: DataDir, kept: bool) -> str:
    if kept:
        return "\n".join((
            "\nIt goes on running until you press Ctrl-C. Try:",
            f"  export KUBECONFIG={shlex.quote(str(data.admin_kubeconfig))}",
            "  kubectl get servers,tasks,assignments",
            "  kubectl apply -f examples/hello.yaml && kubectl get assignments -w",
        ))  # fmt: skip
    starlink = Path(sys.argv[0]).name if shutil.which("starlink") else sys.argv[0]
    return "\n".join((
        "\nTry it for real:",
        f"  {starlink} up --detach",
        f"  export KUBECONFIG=$({starlink} kubeconfig --path)",
        f"  {starlink} apply -f examples/hello.yaml      # or: kubectl apply -f …",
        f"  {starlink} get servers,tasks,assignments",
        f"  {starlink} logs -f hello",
        f"  {starlink} down --tasks",
    ))  # fmt: skip
