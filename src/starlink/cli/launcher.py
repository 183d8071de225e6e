"""A standalone StarLink: API server, operator and agents as children of one process."""

import asyncio
import contextlib
import datetime
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from starlink.cli import agent_tokens, cutoff, renaming, settings, standing, swap
from starlink.cli.child import Child, bound
from starlink.cli.datadir import DataDir, NotStarted
from starlink.cli.listening import Listen
from starlink.cli.loglines import last_said
from starlink.cli.settings import AgentSettings, UpSettings
from starlink.cli.standing import Newcomer
from starlink.client.config import Config, load, render
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink.files import durable

READY_SECONDS = 30.0
STAND_SECONDS = 50.0
REFUSED = 2
"""What the API server ends with when its data dir or its options are not for it."""
ADMIN, ADMIN_GROUP, OPERATOR = "starlink-admin", "system:masters", "system:starlink:operator"


@dataclass(frozen=True, slots=True)
class LocalAgent:
    """An agent of this machine, and how it is started."""

    data_dir: Path
    settings: AgentSettings


@dataclass
class Standalone:
    """One StarLink on one data directory."""

    data: DataDir
    settings: UpSettings = field(default_factory=UpSettings)
    """They are kept once nothing refuses them."""
    agents: Sequence[LocalAgent] = ()
    before: UpSettings | None = None
    """Those of the last start."""
    children: list[Child] = field(default_factory=list)
    url: str = ""
    notes: Sequence[str] = ()
    """What a person should know once it has started."""
    _lock: int = -1
    _newcomers: list[Newcomer] = field(default_factory=list)
    _token_files: dict[str, Path] = field(default_factory=dict)
    _keepers: list["asyncio.Task[None]"] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Starts everything, each part once the one before it is ready, and waits until all stands. Raises NotStarted,
        NotHeard, NotRenamed, NotUsable, ClientError, OSError."""
        self.data.create()
        self._lock = self.data.take()
        swap.finish(self.data.root)
        listen = Listen.parse(self.settings.listen).bound()
        self.settings = msgspec.structs.replace(self.settings, listen=str(listen))
        self.url = listen.url
        self._write_kubeconfigs()
        self._keepers.append(asyncio.create_task(bound(self._logs)))
        apiserver = await self._start_child("apiserver", self._apiserver())
        client = Client(load(self.data.admin_kubeconfig))
        await self._ready(client, apiserver)
        await self._check_name(client)
        settings.save(self.data.settings, self.settings)
        leader = self._identity, await standing.beat_of_leader(client)
        await self._start_child("operator", self._operator())
        for agent in self.agents:
            await self.start_agent(client, agent)
        notes = await standing.wait(client, self.children, leader, self._newcomers, STAND_SECONDS)
        self.notes = [*notes, *await self._cut_off(client)]
        client.close()
        self._note()
        self._keepers.append(asyncio.create_task(self._note_changes()))
        tokens = agent_tokens.keep(self.data.admin_kubeconfig, self._token_files, time.time)
        self._keepers.append(asyncio.create_task(tokens))

    async def _check_name(self, client: Client) -> None:
        """Raises NotRenamed, ClientError."""
        name = self.settings.name
        way_out = renaming.of_up(self.data, name)
        await renaming.check_api(client, self.before.name if self.before else "", name, way_out)

    async def _cut_off(self, client: Client) -> Sequence[str]:
        """What a changed address takes from others. Raises ClientError."""
        if self.before is None or not self.before.listen:
            return ()
        own = {agent.settings.name for agent in self.agents}
        old, new = Listen.parse(self.before.listen), Listen.parse(self.settings.listen)
        return await cutoff.notes(client, old, new, own, self.data.command)

    def _apiserver(self) -> Sequence[str]:
        told = self.settings
        return [
            "starlink.apiserver", "--data-dir", str(self.data.root), "--listen", told.listen,
            "--durability", told.durability, *told.etcd.arguments(), *(("--debug",) if told.debug else ()),
            *(word for name in told.tls_san for word in ("--tls-san", name)),
        ]  # fmt: skip

    @property
    def _identity(self) -> str:
        """Of this machine's operator alone: another may run on the same etcd, from a folder of the same name."""
        return f"standalone-{socket.gethostname()}-{self.data.root}"

    def _logs(self) -> Sequence[Path]:
        return [self.data.up_log, *(child.log_file for child in self.children)]

    def _operator(self) -> Sequence[str]:
        return [
            "starlink_operator", "--kubeconfig", str(self.data.operator_kubeconfig),
            "--identity", self._identity,
            *(("--allow-local-artifacts",) if self.settings.allow_local_artifacts else ()),
        ]  # fmt: skip

    def _write_kubeconfigs(self) -> None:
        from starlink.apiserver.security.certificates.pki import Pki

        pki = Pki(self.data.pki, datetime.datetime.now(datetime.UTC))
        for path, user, groups in (
            (self.data.admin_kubeconfig, ADMIN, [ADMIN_GROUP]),
            (self.data.operator_kubeconfig, OPERATOR, []),
        ):
            try:
                certificate, key = pki.client(user, groups)
            except ValueError as error:  # names the file, and what to do
                raise NotStarted(str(error)) from None
            config = Config(self.url, pki.ca.read_bytes(), certificate.read_bytes(), key.read_bytes())
            durable.replace(path, render(config, user).encode())

    async def _start_child(self, name: str, arguments: Sequence[str]) -> Child:
        child = Child(name, [sys.executable, "-m", *arguments], self.data.logs / f"{name}.log")
        await child.start()
        self.children.append(child)
        self._keepers.append(asyncio.create_task(child.keep(self._changed)))
        return child

    async def _ready(self, client: Client, apiserver: Child) -> None:
        """Waits for the API server, unless it refuses to start. Raises NotStarted with the end of its log."""
        clock = asyncio.get_running_loop().time
        began = clock()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while apiserver.process is not None and apiserver.process.returncode != REFUSED:
                    with contextlib.suppress(ClientError):
                        await client.raw("GET", "/readyz")
                        return
                    await asyncio.sleep(standing.pause(clock() - began))
        said = last_said(apiserver.said())
        await self.stop()
        raise NotStarted(f"the API server did not become ready: {said}; all of it: {apiserver.log_file}")

    async def start_agent(self, client: Client, agent: LocalAgent) -> Child:
        """Gives an agent of this machine its identity and starts it."""
        name = agent.settings.name
        first = not any(child.name.startswith("agent") for child in self.children)
        label = "agent" if first else f"agent-{name}"
        kubeconfig = self.data.agent_kubeconfig if first else self.data.pki / f"{label}.kubeconfig"
        self._newcomers.append(Newcomer(name, await standing.beat_of_server(client, name)))
        self._token_files[name] = await agent_tokens.write_identity(client, name, kubeconfig)
        placed = msgspec.structs.replace(agent.settings, address=self.address_of(agent))
        child = await self._start_child(label, [
            "starlink_nodeagent", "--kubeconfig", str(kubeconfig), "--data-dir", str(agent.data_dir),
            *AgentSettings.arguments(placed),
        ])  # fmt: skip
        self._note()
        return child

    def address_of(self, agent: LocalAgent) -> str:
        """Where the agent's instances are reached; "" leaves it to the agent, which takes the address from which it
        dials. Where the API server listens on all addresses that is loopback, which nobody else reaches."""
        if agent.settings.address or not Listen.parse(self.settings.listen).everywhere:
            return agent.settings.address
        from starlink.http.addresses import primary_address

        return primary_address()

    def _note(self) -> None:
        """Writes down what runs, for `down`, `status` and people."""
        self.data.write_state({
            "pid": os.getpid(),
            "url": self.url,
            "server": self.agents[0].settings.name if self.agents else "",
            "children": {child.name: child.pid for child in self.children},
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
