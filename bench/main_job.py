"""The main job: from apply to a process that runs, the memory of the three parts, the agent's CPU.

Each round runs its own task on one standalone StarLink. An instance tells when it has started by connecting to a
listener of the benchmark, so the time is when the process ran, not when somebody heard of it.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.report import Result, publish, result
from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, TASK
from starlink.api.task import Task
from starlink.cli.datadir import DataDir
from starlink.cli.launcher import LocalAgent, Standalone
from starlink.cli.settings import AgentSettings
from starlink.client.config import load
from starlink.client.kube import Client

LATENCY_ROUNDS = 30
MEMORY_ROUNDS = 5
CPU_ROUNDS = 5
CPU_SECONDS = 20.0
MANY = 50
IDLE = 10
PARTS = ("apiserver", "operator", "agent")
NAMESPACE = "default"
HELLO = "exec 3<>/dev/tcp/127.0.0.1/{port}; echo $STARLINK_ASSIGNMENT >&3; exec 3>&-; exec sleep 100000"


def main() -> None:
    """Runs and publishes."""
    publish("main_job", asyncio.run(_measure()))


async def _measure() -> list[Result]:
    folder = Path(tempfile.mkdtemp(prefix="starlink-bench-"))
    folder.chmod(0o711)
    agents = [LocalAgent(folder / "data" / "agent", AgentSettings(name="s1"))]
    standalone = Standalone(DataDir(folder / "data"), agents=agents)
    try:
        await standalone.start()
        async with Client(load(standalone.data.admin_kubeconfig)) as client:
            return await _results(client, standalone)
    finally:
        await standalone.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _results(client: Client, standalone: Standalone) -> list[Result]:
    pids = {child.name: child.pid or 0 for child in standalone.children}
    rest = await _memory(pids)
    from_client, from_assignment, to_ready = await _latencies(client)
    async with _running(client, IDLE):
        cpu = [await _cpu(pids["agent"]) for _ in range(CPU_ROUNDS)]
    async with _running(client, MANY):
        many = await _memory(pids)
    return [
        result("apply → process started, seen by the user", "ms", from_client, at_most=150),
        result("Assignment created → process started", "ms", from_assignment),
        result("apply → ready", "ms", to_ready),
        *_memory_results("at rest", rest),
        *_memory_results(f"with {MANY} instances", many),
        result(f"agent CPU with {IDLE} idle instances", "% of a core", cpu, at_most=0.5),
    ]


def _memory_results(when: str, samples: dict[str, list[float]]) -> list[Result]:
    together = [sum(values) for values in zip(*samples.values(), strict=True)]
    return [
        *(
            result(f"{part} resident memory {when}", "MB", values, at_most=35 if part == "agent" else None)
            for part, values in samples.items()
        ),
        result(f"the three together {when}", "MB", together, at_most=190),
    ]


async def _latencies(client: Client) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds, a value a round: user's apply → started, Assignment → started, apply → ready."""
    started: asyncio.Queue[float] = asyncio.Queue()

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started.put_nowait(time.time())
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(hello, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    from_client, from_assignment, to_ready = [], [], []
    for number in range(LATENCY_ROUNDS):
        name = f"latency-{number}"
        created = asyncio.create_task(_created(client, name))
        ready = asyncio.create_task(_ready(client, name))
        await asyncio.sleep(0.2)  # both watches are open, and nothing of the last round goes on
        applied = time.time()
        await client.create(TASK, _task(name, 1, HELLO.format(port=port)), NAMESPACE)
        at = await asyncio.wait_for(started.get(), 30)
        from_client.append((at - applied) * 1000)
        from_assignment.append((at - await created) * 1000)
        to_ready.append((await ready - applied) * 1000)
        await _delete(client, name)
    listener.close()
    return from_client, from_assignment, to_ready


async def _created(client: Client, task: str) -> float:
    """When a watcher heard of the task's first Assignment."""
    listing = await client.list(ASSIGNMENT, NAMESPACE)
    async with contextlib.aclosing(
        client.watch(ASSIGNMENT, NAMESPACE, resource_version=listing.resource_version)
    ) as events:
        async for event in events:
            if event.type == "ADDED" and msgspec.json.decode(event.object, type=Assignment).task == task:
                return time.time()
    raise RuntimeError("the watch ended")


async def _ready(client: Client, name: str) -> float:
    """When a watcher heard that the task is ready."""
    listing = await client.list(TASK, NAMESPACE)
    async with contextlib.aclosing(client.watch(TASK, NAMESPACE, resource_version=listing.resource_version)) as events:
        async for event in events:
            if event.type in ("ADDED", "MODIFIED"):
                task = msgspec.json.decode(event.object, type=Task)
                if task.name == name and any(c.type == "Ready" and c.status == "True" for c in task.status.conditions):
                    return time.time()
    raise RuntimeError("the watch ended")


def _task(name: str, replicas: int, script: str) -> dict[str, Any]:
    return {
        "apiVersion": TASK.api_version,
        "kind": TASK.kind,
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "template": {"command": ["bash", "-c", script], "stop": {"gracePeriod": "2s"}}},
    }


@contextlib.asynccontextmanager
async def _running(client: Client, count: int):  # type: ignore[no-untyped-def]
    """A task of `count` sleeping instances, ready and settled."""
    await client.create(TASK, _task("idle", count, "exec sleep 100000"), NAMESPACE)
    async with asyncio.timeout(120):
        while (await client.get(TASK, "idle", NAMESPACE)).get("status", {}).get("ready") != count:
            await asyncio.sleep(0.2)
    await asyncio.sleep(5)  # let what the start stirred up come to rest; not a wait for correctness
    yield
    await _delete(client, "idle")


async def _delete(client: Client, name: str) -> None:
    await client.delete(TASK, name, NAMESPACE)
    async with asyncio.timeout(120):
        while (await client.list(ASSIGNMENT, NAMESPACE)).items:
            await asyncio.sleep(0.1)


async def _memory(pids: dict[str, int]) -> dict[str, list[float]]:
    """Resident megabytes (VmRSS), a value a round."""
    samples: dict[str, list[float]] = {part: [] for part in PARTS}
    for _ in range(MEMORY_ROUNDS):
        await asyncio.sleep(1)
        for part in PARTS:
            status = Path(f"/proc/{pids[part]}/status").read_text()
            samples[part].append(int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6)
    return samples


async def _cpu(pid: int) -> float:
    """Percent of a core over CPU_SECONDS, from the kernel's own count."""
    before, began = _ticks(pid), time.monotonic()
    await asyncio.sleep(CPU_SECONDS)
    return (_ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began) * 100


def _ticks(pid: int) -> int:
    fields: Sequence[str] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
