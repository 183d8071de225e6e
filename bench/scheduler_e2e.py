"""The scheduler end to end: from the creation of Tasks until the agents of a whole fleet have seen their Assignments.

Each round is a standalone StarLink of its own (API server on SQLite with `durability full`, operator) and a simulated
fleet (`bench.fleet`), all on this machine: API server, operator, fleet and load share its cores.
A watch tells only of what is on the disk, so an Assignment that its agent has seen is durable. Every server is scored
for every slot, and none is sampled.
"""

import asyncio
import datetime
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import fleet, load
from bench.agents import SimulatedAgent
from bench.fleet import READY_SECONDS, Fleet
from bench.load import request
from bench.report import Result, publish, result
from bench.usage import Cpus, cpu_seconds
from starlink.api import conditions
from starlink.api.kinds import ASSIGNMENT, SERVER, TASK
from starlink.api.server import Server
from starlink.apiserver.security.certificates.pki import Pki
from starlink.cli.datadir import DataDir
from starlink.cli.launcher import ADMIN, ADMIN_GROUP, Standalone
from starlink.client.config import load as load_config
from starlink.client.kube import Client

SERVERS = 1_000
INSTANCES = 10_000
ROUNDS = 3
CONNECTIONS = 32
NAMESPACE = "default"
PATH = f"{TASK.path}/namespaces/{NAMESPACE}/{TASK.plural}"


@dataclass(frozen=True, slots=True)
class Shape:
    """Instances as so many tasks of so many replicas."""

    tasks: int
    replicas: int

    @property
    def instances(self) -> int:
        return self.tasks * self.replicas

    def __str__(self) -> str:
        return f"{self.tasks} task{'s'[: self.tasks > 1]} of {self.replicas}"


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds from the first request until the last Assignment was seen, and of CPU that the parts took; the share of
    the machine's CPUs that nobody used; renewals of Leases that failed; how evenly the servers were filled."""

    seconds: float
    applied: float
    apiserver: float
    operator: float
    fleet: float
    idle: float
    missed: int
    spread: str

    def __str__(self) -> str:
        cpu = f"CPU {self.apiserver:.1f} s API server, {self.operator:.1f} s operator, {self.fleet:.1f} s fleet"
        return f"{self.seconds:.1f} s, {cpu}, {self.idle:.0%} idle, {self.spread}, {self.missed} renewals failed"


def main() -> None:
    """Runs and publishes."""
    shapes = ((Shape(INSTANCES // 100, 100), 1_500), (Shape(INSTANCES, 1), 400))
    publish("scheduler_e2e", [one for shape, goal in shapes for one in measure(SERVERS, shape, ROUNDS, goal)])


def measure(servers: int, shape: Shape, rounds: int, goal: float | None = None) -> list[Result]:
    """The results of one shape; `goal` in assignments a second. Tells each round as soon as it is there."""
    found = []
    for _ in range(rounds):
        found.append(asyncio.run(_round(servers, shape)))
        print(f"  {shape}: {shape.instances / found[-1].seconds:.0f}/s ({found[-1]})", flush=True)
    label = f"{shape} onto {servers} agents"
    each = 1000 / shape.instances
    return [
        result(
            f"{label}, every server scored, none sampled: created → durable and seen by its agent's watch",
            "assignments/s", [shape.instances / one.seconds for one in found], at_least=goal,
        ),
        result(f"{label}: all tasks created, {CONNECTIONS} connections", "s", [one.applied for one in found]),
        result(f"{label}: API server CPU", "ms/assignment", [one.apiserver * each for one in found]),
        result(f"{label}: operator CPU", "ms/assignment", [one.operator * each for one in found]),
        result(f"{label}: simulated fleet's CPU", "ms/assignment", [one.fleet * each for one in found]),
        result(f"{label}: the machine's {os.cpu_count()} CPUs idle", "%", [one.idle * 100 for one in found]),
        result(f"{label}: renewals of Leases that failed", "", [one.missed for one in found]),
    ]  # fmt: skip


async def _round(servers: int, shape: Shape) -> Round:
    fleet.allow_connections()
    folder = Path(tempfile.mkdtemp(prefix="starlink-bench-"))
    standalone = Standalone(DataDir(folder / "data"))
    try:
        await standalone.start()
        agents = Fleet.of(SimulatedAgent, standalone.data.admin_kubeconfig, servers)
        try:
            await agents.ready()
            return await _measured(standalone, agents, servers, shape)
        finally:
            agents.stop()
    finally:
        await standalone.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _measured(standalone: Standalone, agents: Fleet, servers: int, shape: Shape) -> Round:
    async with Client(load_config(standalone.data.admin_kubeconfig)) as client:
        await _all_ready(client, servers)
        agents.expect(shape.instances)
        before = Usage.now(standalone, agents)
        began = time.monotonic()
        applied = await asyncio.to_thread(_apply, standalone, shape)
        seen = await agents.seen()
        after = Usage.now(standalone, agents)
        await _check(client, seen.counts, shape)
    seconds = seen.at - began
    apiserver, operator = (_used(standalone, part, before.parts, after.parts) for part in ("apiserver", "operator"))
    idle = after.cpus.idle_since(before.cpus)
    used = after.fleet - before.fleet
    return Round(seconds, applied, apiserver, operator, used, idle, seen.missed, fleet.spread(seen.counts))


async def _all_ready(client: Client, servers: int) -> None:
    """Until the operator has every server Ready, so that all may be chosen."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            found = [msgspec.json.decode(raw, type=Server) for raw in (await client.list(SERVER)).items]
            if sum(conditions.is_true(one.status.conditions, conditions.READY) for one in found) == servers:
                return
            await asyncio.sleep(0.5)


def _apply(standalone: Standalone, shape: Shape) -> float:
    """Creates the tasks; the seconds that it took. Raises RuntimeError when one is refused."""
    pki = Pki(standalone.data.pki, datetime.datetime.now(datetime.UTC))
    context = load.client_tls(pki.ca, *pki.client(ADMIN, [ADMIN_GROUP]), alpn="http/1.1")
    port = int(standalone.url.rpartition(":")[2])
    wires = [load.connect(port, context) for _ in range(CONNECTIONS)]
    clients = [load.Http(lambda number: request("POST", PATH, _task(number, shape.replicas))) for _ in wires]
    tally = load.run(wires, clients, iter(range(shape.tasks)))
    for wire in wires:
        wire.close()
    if set(tally.statuses) != {"201"}:
        raise RuntimeError(f"tasks were refused: {tally.statuses}")
    return tally.seconds


def _task(number: int, replicas: int) -> bytes:
    template = {"command": ["./serve"], "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
    return json.dumps({
        "apiVersion": TASK.api_version,
        "kind": TASK.kind,
        "metadata": {"name": f"task-{number:05}"},
        "spec": {"replicas": replicas, "template": template},
    }).encode()  # fmt: skip


async def _check(client: Client, counts: Sequence[int], shape: Shape) -> None:
    """That each was seen once, by one agent, and is in the API. Raises RuntimeError."""
    stored = len((await client.list(ASSIGNMENT, NAMESPACE)).items)
    if not stored == sum(counts) == shape.instances:
        raise RuntimeError(f"of {shape.instances} instances {stored} are stored and {sum(counts)} were seen")


Cpu = dict[tuple[str, int], float]
"""By a part's name and process."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of CPU since they started: of the standalone's parts, of the fleet, and of all CPUs."""

    parts: Cpu
    fleet: float
    cpus: Cpus

    @classmethod
    def now(cls, standalone: Standalone, agents: Fleet) -> "Usage":
        parts = {(child.name, child.pid): cpu_seconds(child.pid) for child in standalone.children if child.pid}
        return cls(parts, cpu_seconds(agents.process.pid or 0), Cpus.now())


def _used(standalone: Standalone, part: str, before: Cpu, after: Cpu) -> float:
    """Raises RuntimeError when it was not the same process all the time."""
    for (name, pid), seconds in after.items():
        if name == part and (name, pid) in before:
            return seconds - before[name, pid]
    log = (standalone.data.logs / f"{part}.log").read_text()
    raise RuntimeError(f"the {part} ended while it was measured; its log ends with:\n{log[-2000:]}")
