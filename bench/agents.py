"""StarLink's agents, simulated: Server, Lease, the watch of one's own Assignments and the reports are the real agent's
code; nothing runs on the machines."""

import asyncio
import functools
import logging
import random
import time
from typing import Any

from bench.fleet import CAPACITY, Tally, name, zone
from starlink import __version__
from starlink.api import labels
from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import ASSIGNMENT, NAMESPACE, SERVER
from starlink.api.timestamp import format_time
from starlink.client.cache import Cache
from starlink.client.errors import AlreadyExists
from starlink.client.kube import Client
from starlink_nodeagent.reporting.report import Status
from starlink_nodeagent.reporting.reporter import Reporter
from starlink_nodeagent.server import heartbeat

ZONE = "topology.kubernetes.io/zone"


class SimulatedAgent:
    """One server of a fleet (`bench.fleet.Machine`): its Lease is renewed every 5 s, and each Assignment is reported
    Running and ready, or Stopped."""

    def __init__(self, number: int, client: Client, beats: Client, tally: Tally) -> None:
        self._server = name(number)
        self._zone = zone(number)
        self._client = client
        self._beats = beats
        self._tally = tally
        self._started: dict[str, str] = {}  # by UID
        self._reporter = Reporter(client, self._server, time.time)
        only = f"spec.server={self._server}"
        self._assignments = Cache(
            client, ASSIGNMENT, Assignment, now=time.monotonic, jitter=jitter, field_selector=only
        )
        self._misses = _Misses(tally)

    @property
    def seen(self) -> int:
        return len(self._started)

    @staticmethod
    async def prepare(client: Client) -> None:
        try:
            await client.create(NAMESPACE, {"metadata": {"name": labels.SERVER_NAMESPACE}})
        except AlreadyExists:
            return

    async def start(self, group: asyncio.TaskGroup) -> None:
        await self._client.create(SERVER, manifest(self._server, self._zone))
        await self._client.patch(SERVER, self._server, {"status": status(self._server)}, subresource="status")
        await heartbeat.renew(self._beats, self._server, time.time())
        self._assignments.subscribe(self._changed)
        group.create_task(self._beat())
        group.create_task(self._reporter.run())
        group.create_task(self._assignments.run())
        await self._assignments.synced()

    async def _beat(self) -> None:
        self._misses.take_over()
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
            report = _report(new, self._started[new.uid])
            self._reporter.tell(new.uid, change.key, report, new.metadata.resource_version)


class _Misses(logging.Handler):
    """Counts what the agents' heartbeats warn of, in place of a line for each."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(logging.WARNING)
        self._tally = tally

    def take_over(self) -> None:
        """One handler for all of a process."""
        if not heartbeat.log.handlers:
            heartbeat.log.addHandler(self)
            heartbeat.log.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self._tally.missed += 1


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


def manifest(server: str, zone: str) -> dict[str, Any]:
    """A Server as its agent creates it, with the zone that a person gives it."""
    named = {labels.ARCHITECTURE: "amd64", labels.OPERATING_SYSTEM: "linux", labels.HOSTNAME: server, ZONE: zone}
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


jitter = functools.partial(random.uniform, 0.9, 1.1)
