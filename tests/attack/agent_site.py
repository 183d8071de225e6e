"""A real agent process and a real API server, the agent's data on a small file system of its own."""

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests import warm
from tests.conftest import _let_pass, instances_below, soon
from tests.crash.site import ApiServer

from starlink.api.kinds import ASSIGNMENT
from starlink.client.config import render
from starlink.client.errors import NotFound
from starlink.client.kube import Client

SIZE = "4m"
WAIT = 40.0
_numbers = itertools.count(1)


def assignment(server: str, name: str, script: str, **template: Any) -> dict[str, Any]:
    """One that runs a shell script on a server."""
    body = {"command": ["sh", "-c", script], "stop": {"gracePeriod": "2s"}, **template}
    body.setdefault("restart", {"policy": "Always", "backoff": {"initial": "100ms", "max": "1s"}})
    return {
        "apiVersion": ASSIGNMENT.api_version,
        "kind": ASSIGNMENT.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"server": server, "slot": "0", "attempt": 1, "desired": "Running", "template": body},
    }


class Disk:
    """A file system of SIZE that can be filled, and emptied again."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    def fill(self) -> None:
        """Takes all that is free."""
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as out:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while out.write(bytes(size)):
                        pass

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


class AgentSite:
    """The agent of a server with a name of its own: its disk, and the API as an administrator sees it."""

    def __init__(self, folder: Path, server: ApiServer, client: Client, disk: Disk) -> None:
        self.folder, self.client, self.disk = folder, client, disk
        self.name = f"s{next(_numbers)}"
        self.data = disk.place / "agent"
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir()
        self._kubeconfig = folder / "kubeconfig"
        self._kubeconfig.write_text(render(server.config(), "admin"))
        self._kubeconfig.chmod(0o600)
        self._process: warm.Running | None = None
        self.environment: dict[str, str] = {}
        self.starts = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self.starts += 1
        with (self.folder / "agent.log").open("ab") as log:
            self._process = warm.popen(
                [
                    sys.executable, "-m", "starlink_nodeagent", "--kubeconfig", str(self._kubeconfig), "--name", self.name,
                    "--data-dir", str(self.data), "--artifact-dir", str(self.artifacts), "--address", "127.0.0.1",
                    "--cache-size", "1Gi",  # a tenth of so small a disk would hold next to nothing
                ],
                stdout=log, stderr=log, env={**os.environ, **self.environment},
            )  # fmt: skip

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def ready(self) -> None:
        """Waits until the agent that was started last is up."""
        await soon(lambda: self.log().count('"started"') == self.starts, "the agent is up", WAIT)

    def lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        return (self.folder / "agent.log").read_text()

    async def create(self, name: str, script: str, **template: Any) -> str:
        """The UID of a new Assignment."""
        made = await self.client.create(ASSIGNMENT, assignment(self.name, name, script, **template), "default")
        return str(made["metadata"]["uid"])

    async def stop(self, name: str) -> None:
        await self.client.patch(ASSIGNMENT, name, {"spec": {"desired": "Stopped"}}, "default")

    async def delete(self, name: str) -> None:
        await self.client.delete(ASSIGNMENT, name, "default")

    async def status(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = (await self.client.get(ASSIGNMENT, name, "default")).get("status", {})
            return found
        except NotFound:
            return {}

    async def until(self, name: str, **wanted: Any) -> dict[str, Any]:
        """The status once it says what is wanted; the agent has not ended meanwhile."""
        last: dict[str, Any] = {}
        try:
            async with asyncio.timeout(WAIT):
                while True:
                    assert self.lives(), self.log()[-2000:]
                    last = await self.status(name)
                    if all(last.get(field) == value for field, value in wanted.items()):
                        return last
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"{name} did not become {wanted}: {last}\n{self.log()[-3000:]}")

    def processes(self, uid: str) -> dict[int, str]:
        """The living processes of an Assignment's runs."""
        return {pid: run for pid, run in instances_below(self.disk.place).items() if run.startswith(f"{uid}/")}

    async def gone(self, uid: str) -> None:
        """Waits until nothing of it lives and nothing of it lies on the disk."""
        await soon(lambda: not self.processes(uid), f"nothing of {uid} lives", WAIT)
        await soon(lambda: not (self.data / "instances" / uid).exists(), f"nothing is left of {uid}", WAIT)

    def clear(self) -> None:
        self.kill()
        for _ in range(3):
            for pid in instances_below(self.disk.place):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Disk]:
    """Skips the test, with the reason, where nothing can be mounted."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0711", "tmpfs", place],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"a file system can't be mounted here: {mounted.stderr.strip()}")
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextlib.contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """One for a module's tests."""
    server = ApiServer(folder)
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.kill()


@contextlib.asynccontextmanager
async def agent_site(folder: Path, server: ApiServer) -> AsyncIterator[AgentSite]:
    """An agent that runs, alone on its server; what it left is cleared away."""
    _let_pass(folder)
    with small_disk(folder / "disk") as disk:
        async with Client(server.config()) as client:
            site = AgentSite(folder, server, client, disk)
            try:
                site.start()
                yield site
            finally:
                site.clear()
                for name in [item["metadata"]["name"] for item in await _all(client)]:
                    await client.delete(ASSIGNMENT, name, "default")


async def _all(client: Client) -> list[dict[str, Any]]:
    return [msgspec.json.decode(item) for item in (await client.list(ASSIGNMENT, "default")).items]
