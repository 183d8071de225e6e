"""A standalone StarLink: API server, operator and agents as children of one process."""

import asyncio
import contextlib
import datetime
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from starlink.api import conditions
from starlink.api.kinds import SERVER
from starlink.api.server import Server
from starlink.cli import agent_tokens, swap
from starlink.cli.child import Child
from starlink.cli.datadir import DataDir
from starlink.cli.etcd import EtcdOptions
from starlink.client.config import Config, load, render
from starlink.client.errors import ClientError, NotFound
from starlink.client.kube import Client

READY_SECONDS = 30.0
SERVER_SECONDS = 15.0
REFUSED = 2
"""What the API server ends with when its data dir or its options are not for it."""
ADMIN, ADMIN_GROUP, OPERATOR = "starlink-admin", "system:masters", "system:starlink:operator"


class NotStarted(Exception):
    """Why StarLink could not be started, and what to do."""


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """How an agent of this machine is started."""

    name: str
    data_dir: Path
    artifact_dir: Path | None = None
    task_user: str | None = None
    task_uids: str | None = None
    resources: Sequence[str] = ()


@dataclass
class Standalone:
    """One StarLink on one data directory."""

    data: DataDir
    listen: str = ""
    agents: Sequence[AgentOptions] = ()
    durability: str = "full"
    etcd: EtcdOptions | None = None
    """None: what it was started with the last time."""
    debug: bool = False
    allow_local_artifacts: bool = False
    children: list[Child] = field(default_factory=list)
    url: str = ""
    _lock: int = -1
    _token_files: dict[str, Path] = field(default_factory=dict)
    _keepers: list["asyncio.Task[None]"] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Starts everything, each part once the one before it is ready. Raises NotStarted."""
        self.data.create()
        self._take_lock()
        swap.finish(self.data.root)
        host, port = self._address()
        self.url = f"https://{_url_host(host)}:{port}"
        self._write_kubeconfigs()
        apiserver = await self._start_child("apiserver", [
            "starlink.apiserver", "--data-dir", str(self.data.root), "--listen", f"{host}:{port}",
            "--durability", self.durability, *self._etcd().arguments(), *(("--debug",) if self.debug else ()),
        ])  # fmt: skip
        client = Client(load(self.data.admin_kubeconfig))
        await self._ready(client, apiserver)
        await self._start_child("operator", [
            "starlink_operator", "--kubeconfig", str(self.data.operator_kubeconfig),
            # Of this machine alone: another one may run on the same etcd, from a folder of the same name.
            "--identity", f"standalone-{socket.gethostname()}-{self.data.root}",
            *(("--allow-local-artifacts",) if self.allow_local_artifacts else ()),
        ])  # fmt: skip
        for options in self.agents:
            await self.start_agent(client, options)
        await self._servers_ready(client)
        client.close()
        self._note()
        self._keepers.append(asyncio.create_task(self._note_changes()))
        tokens = agent_tokens.keep(self.data.admin_kubeconfig, self._token_files, time.time)
        self._keepers.append(asyncio.create_task(tokens))

    def _take_lock(self) -> None:
        self._lock = os.open(self.data.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = self.data.read_state().get("pid", "unknown")
            raise NotStarted(
                f"StarLink already runs on {self.data.root} (pid {pid}); stop it with `starlink down`, "
                "or give another --data-dir"
            ) from None

    def _etcd(self) -> EtcdOptions:
        return EtcdOptions.remembered(self.data.read_state()) if self.etcd is None else self.etcd

    def _address(self) -> tuple[str, int]:
        """The address to listen on: the one given, with the last one's port, or a free one, for port 0."""
        host, _, port = (self.listen or self.data.read_state().get("listen") or "127.0.0.1:0").rpartition(":")
        host = host.strip("[]")
        if not port.isdigit() or int(port) > 65535:
            raise NotStarted(f"--listen {self.listen}: write HOST:PORT, such as 127.0.0.1:6443")
        number = int(port)
        if number and not _is_free(host, number):
            if self.listen:
                raise NotStarted(f"--listen {self.listen}: the port is in use; free it, or give another")
            number = 0
        return host, number or _free_port(host)

    def _write_kubeconfigs(self) -> None:
        from starlink.apiserver.identity.pki import Pki, write_private

        pki = Pki(self.data.pki, datetime.datetime.now(datetime.UTC))
        for path, user, groups in (
            (self.data.admin_kubeconfig, ADMIN, [ADMIN_GROUP]),
            (self.data.operator_kubeconfig, OPERATOR, []),
        ):
            certificate, key = pki.client(user, groups)
            config = Config(self.url, pki.ca.read_bytes(), certificate.read_bytes(), key.read_bytes())
            write_private(path, render(config, user).encode())

    async def _start_child(self, name: str, arguments: Sequence[str]) -> Child:
        child = Child(name, [sys.executable, "-m", *arguments], self.data.logs / f"{name}.log")
        await child.start()
        self.children.append(child)
        self._keepers.append(asyncio.create_task(child.keep(self._changed)))
        return child

    async def _ready(self, client: Client, apiserver: Child) -> None:
        """Waits for the API server, unless it refuses to start. Raises NotStarted with the end of its log."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while apiserver.process is not None and apiserver.process.returncode != REFUSED:
                    with contextlib.suppress(ClientError):
                        await client.raw("GET", "/readyz")
                        return
                    await asyncio.sleep(0.05)
        tail = (self.data.logs / "apiserver.log").read_text().splitlines()[-3:]
        await self.stop()
        raise NotStarted("the API server did not become ready; its log ends with:\n" + "\n".join(tail))

    async def _servers_ready(self, client: Client) -> None:
        """Waits for this machine's servers, but not for ever: an agent that fails says why in its log."""
        with contextlib.suppress(TimeoutError, ClientError):
            async with asyncio.timeout(SERVER_SECONDS):
                for options in self.agents:
                    while not await _is_ready(client, options.name):  # noqa: ASYNC110 - it happens elsewhere
                        await asyncio.sleep(0.05)

    async def start_agent(self, client: Client, options: AgentOptions) -> Child:
        """Gives an agent of this machine its identity and starts it."""
        first = not any(child.name.startswith("agent") for child in self.children)
        label = "agent" if first else f"agent-{options.name}"
        kubeconfig = self.data.agent_kubeconfig if first else self.data.pki / f"{label}.kubeconfig"
        self._token_files[options.name] = await agent_tokens.write_identity(client, options.name, kubeconfig)
        arguments = [
            "starlink_nodeagent", "--kubeconfig", str(kubeconfig), "--name", options.name,
            "--data-dir", str(options.data_dir),
        ]  # fmt: skip
        if options.artifact_dir:
            arguments += ["--artifact-dir", str(options.artifact_dir)]
        if self.allow_local_artifacts:
            arguments += ["--allow-local-artifacts"]
        if options.task_user:
            arguments += ["--task-user", options.task_user]
        if options.task_uids:
            arguments += ["--task-uids", options.task_uids]
        arguments += [word for resource in options.resources for word in ("--resource", resource)]
        if _on_loopback(self.url):
            arguments += ["--address", "127.0.0.1"]
        child = await self._start_child(label, arguments)
        self._note()
        return child

    def _note(self) -> None:
        """Writes down what runs, for `down`, `status` and people."""
        host, _, port = self.url.removeprefix("https://").rpartition(":")
        self.data.write_state({
            "pid": os.getpid(),
            "url": self.url,
            "listen": f"{host}:{port}",
            "server": self.agents[0].name if self.agents else "",
            "children": {child.name: child.pid for child in self.children},
            **self._etcd().state(),
        })  # fmt: skip

    async def _note_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._note()

    async def stop(self) -> None:
        """Stops everything, the agents first; tasks go on."""
        for child in reversed(self.children):
            await child.stop()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def kill_child(self, child: Child) -> None:
        """Ends a child at once and for good, as a power cut would."""
        child._stopping = True
        if child.process is not None and child.pid is not None:
            child.process.send_signal(signal.SIGKILL)
            await child.process.wait()
        self.children.remove(child)
        self._note()


async def _is_ready(client: Client, name: str) -> bool:
    try:
        server = msgspec.convert(await client.get(SERVER, name), Server)
    except NotFound:
        return False
    return conditions.is_true(server.status.conditions, conditions.READY)


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port), family=_family(host)):
            return True
    except OSError:
        return False


def _free_port(host: str) -> int:
    with socket.create_server((host, 0), family=_family(host)) as probe:
        return int(probe.getsockname()[1])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _url_host(host: str) -> str:
    """What clients of this machine call the listening address."""
    if host in ("", "0.0.0.0"):  # noqa: S104
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def _on_loopback(url: str) -> bool:
    return "://127." in url or "://[::1]" in url or "://localhost" in url
