"""A simulated fleet: many agents in one process, each as the real one is on the wire.

An agent has a Server with a status, a Lease that it renews every 5 s, a list and a watch of the Assignments of its
server on a connection of its own, and a status report for each Assignment: Running and ready, or Stopped. The list, the
watch, the Lease and the reports are the real agent's code; nothing runs on the simulated machines. All agents share
the administrator's certificate, and the connections of their requests.
"""

import asyncio
import functools
import logging
import random
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from starlink import __version__
from starlink.api import labels
from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, NAMESPACE, SERVER
from starlink.api.timestamp import format_time
from starlink.client.cache import Cache, Change
from starlink.client.config import load
from starlink.client.errors import AlreadyExists
from starlink.client.kube import Client
from starlink_nodeagent import heartbeat
from starlink_nodeagent.report import Status
from starlink_nodeagent.reporter import Reporter

CLIENTS = 4  # of eight connections each; Leases have their own, so that no report delays one
STARTING = 32
CAPACITY = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "500Gi"}


class Seen(msgspec.Struct):
    """What the fleet tells at the end: when the last Assignment was seen (monotonic), how many each server saw, and how
    many renewals of Leases had failed."""

    at: float
    counts: list[int]
    missed: int


def run(parent: Connection, kubeconfig: Path, servers: int, expected: int) -> None:
    """A process: says `ready` once every agent watches, and `Seen` when they have seen `expected` Assignments between
    them; goes on until it is killed."""
    asyncio.run(_run(parent, kubeconfig, servers, expected))


async def _run(parent: Connection, kubeconfig: Path, servers: int, expected: int) -> None:
    missed = _Missed()
    config = load(kubeconfig)
    clients = [Client(config) for _ in range(CLIENTS)]
    beats = Client(config)
    tally = _Tally(expected)
    agents = [SimulatedAgent(name(number), clients[number % CLIENTS], beats, tally) for number in range(servers)]
    await _make_namespace(beats)
    async with asyncio.TaskGroup() as group:
        for first in range(0, servers, STARTING):
            await asyncio.gather(*(agent.start(group) for agent in agents[first : first + STARTING]))
        parent.send("ready")
        await tally.complete.wait()
        parent.send(Seen(tally.at, [agent.seen for agent in agents], missed.count))


def name(number: int) -> str:
    """A simulated server's."""
    return f"sim-{number:05}"


async def _make_namespace(client: Client) -> None:
    try:
        await client.create(NAMESPACE, {"metadata": {"name": labels.SERVER_NAMESPACE}})
    except AlreadyExists:
        return


class _Missed(logging.Handler):
    """Counts what the agents' heartbeats warn of, in place of a line for each."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0
        heartbeat.log.addHandler(self)
        heartbeat.log.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


class _Tally:
    """How many Assignments the fleet has seen, and when the last that was expected came."""

    def __init__(self, expected: int) -> None:
        self._missing = expected
        self.at = 0.0
        self.complete = asyncio.Event()

    def count(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self.at = time.monotonic()
            self.complete.set()


class SimulatedAgent:
    """One server of the fleet. `seen` are the Assignments that its watch has brought."""

    def __init__(self, server: str, client: Client, beats: Client, tally: _Tally) -> None:
        self._server = server
        self._client = client
        self._beats = beats
        self._tally = tally
        self._started: dict[str, str] = {}  # by UID
        self._reporter = Reporter(client, server, time.time)
        self._assignments = Cache(
            client, ASSIGNMENT, Assignment, now=time.monotonic, jitter=_jitter, field_selector=f"spec.server={server}"
        )

    @property
    def seen(self) -> int:
        return len(self._started)

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Registers, beats for the first time, and watches. Raises ClientError."""
        await self._client.create(SERVER, manifest(self._server))
        await self._client.patch(SERVER, self._server, {"status": status(self._server)}, subresource="status")
        await heartbeat.renew(self._beats, self._server, time.time())
        self._assignments.subscribe(self._changed)
        group.create_task(self._beat())
        group.create_task(self._reporter.run())
        group.create_task(self._assignments.run())
        await self._assignments.synced()

    async def _beat(self) -> None:
        await asyncio.sleep(random.uniform(0, heartbeat.RENEW_SECONDS))
        await heartbeat.beat(self._beats, self._server, time.time, time.monotonic, self._assignments.anew)

    def _changed(self, change: Change[Assignment]) -> None:
        new = change.new
        if new is None:
            return
        if new.spec.server != self._server:
            raise RuntimeError(f"{self._server} was told of {change.key}, which is for {new.spec.server}")
        if new.uid not in self._started:
            self._started[new.uid] = format_time(time.time())
            self._tally.count()
        if not new.finished:
            self._reporter.tell(new.uid, change.key, _report(new, self._started[new.uid]))


def _report(assignment: Assignment, started: str) -> Status:
    stops = assignment.stopping
    at = format_time(time.time())
    conditions = (("Ready", not stops), ("Reconciling", False), ("Stalled", False))
    phase = "Stopped" if stops else "Running"
    return {
        "observedGeneration": assignment.metadata.generation,
        "phase": phase,
        "ready": not stops,
        "restarts": 0,
        "startedAt": started,
        "finishedAt": at if stops else None,
        "conditions": [_condition(type_, truth, phase, at) for type_, truth in conditions],
    }


def _condition(type_: str, truth: bool, reason: str, at: str) -> dict[str, Any]:
    return {"type": type_, "status": str(truth), "reason": reason, "message": "", "lastTransitionTime": at}


def manifest(server: str) -> dict[str, Any]:
    """A Server as its agent creates it."""
    named = {labels.ARCHITECTURE: "amd64", labels.OPERATING_SYSTEM: "linux", labels.HOSTNAME: server}
    metadata = {"name": server, "finalizers": [labels.DRAINED_FINALIZER], "labels": named}
    return {"apiVersion": SERVER.api_version, "kind": SERVER.kind, "metadata": metadata, "spec": {}}


def status(server: str) -> dict[str, Any]:
    """The agent's own fields of a Server's status."""
    return {
        "machineID": f"simulated-{server}",
        "architecture": "amd64",
        "operatingSystem": "linux",
        "kernelVersion": "simulated",
        "agentVersion": __version__,
        "addresses": [{"type": "Hostname", "address": server}],
        "capacity": CAPACITY,
        "allocatable": CAPACITY,
        "runtimes": ["Process"],
    }


_jitter = functools.partial(random.uniform, 0.9, 1.1)


def spread(counts: Sequence[int]) -> str:
    """How even the fleet is filled, for people."""
    return f"{min(counts)} to {max(counts)} a server"
