"""Kubernetes' agents, simulated by the client code that simulates StarLink's: a Node, its Lease, the watch of the Pods
that are bound to it, and a status patch for each.

A real kubelet asks more of its API server: it reads a Pod before it patches its status, and patches it as often as
something happens; it writes Events, and asks for tokens.
"""

import asyncio
import random
import time
from typing import Any

from bench.agents import ZONE, jitter
from bench.fleet import CAPACITY, Tally, name, zone
from starlink.api import labels
from starlink.api.change import Change
from starlink.api.kinds import LEASE, Kind
from starlink.api.meta import Object, View
from starlink.api.timestamp import format_micro_time, format_time
from starlink.client.cache import Cache
from starlink.client.errors import ClientError
from starlink.client.kube import Client

NODE = Kind("", "v1", "Node", "nodes", False)
POD = Kind("", "v1", "Pod", "pods", True)
LEASES = "kube-node-lease"
RENEW_SECONDS, DURATION_SECONDS = 10.0, 40
"""The kubelet's own."""
PODS = 110
"""The most on a node: the kubelet's own."""
AT_ONCE = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0


class Pod(Object, frozen=True):
    """What a kubelet looks at."""

    spec: "PodSpec"


class PodSpec(View, frozen=True):
    node_name: str = ""


class SimulatedKubelet:
    """One node of a fleet (`bench.fleet.Machine`): each Pod is reported Running and ready."""

    def __init__(self, number: int, client: Client, beats: Client, tally: Tally) -> None:
        self._node = name(number)
        self._zone = zone(number)
        self._client = client
        self._beats = beats
        self._tally = tally
        self._started: set[str] = set()  # by UID
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._reports: set[asyncio.Task[None]] = set()
        only = f"spec.nodeName={self._node}"
        self._pods = Cache(client, POD, Pod, now=time.monotonic, jitter=jitter, field_selector=only)

    @property
    def seen(self) -> int:
        return len(self._started)

    @staticmethod
    async def prepare(client: Client) -> None:
        """The API server has all that it needs."""

    async def start(self, group: asyncio.TaskGroup) -> None:
        await self._client.create(NODE, manifest(self._node, self._zone))
        await self._client.patch(NODE, self._node, {"status": status(self._node)}, subresource="status")
        await self._beats.create(LEASE, {"metadata": {"name": self._node}, "spec": self._beat()}, LEASES)
        self._pods.subscribe(self._changed)
        group.create_task(self._renew())
        group.create_task(self._pods.run())
        await self._pods.synced()

    def _beat(self) -> dict[str, Any]:
        renewed = format_micro_time(time.time())
        return {"holderIdentity": self._node, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": renewed}

    async def _renew(self) -> None:
        await asyncio.sleep(random.uniform(0, RENEW_SECONDS))
        while True:
            try:
                await self._beats.patch_raw(LEASE, self._node, {"spec": self._beat()}, LEASES)
            except ClientError:
                self._tally.missed += 1
            await asyncio.sleep(RENEW_SECONDS)

    def _changed(self, change: Change[Pod]) -> None:
        new = change.new
        if new is None or new.uid in self._started:
            return
        if new.spec.node_name != self._node:
            raise RuntimeError(f"{self._node} was told of {change.key}, which is for {new.spec.node_name}")
        self._started.add(new.uid)
        self._tally.count()
        report = asyncio.create_task(self._report(new))
        self._reports.add(report)
        report.add_done_callback(self._reports.discard)

    async def _report(self, pod: Pod) -> None:
        pause = FIRST_PAUSE
        key, patch = pod.key, {"status": _running()}
        while True:
            try:
                async with self._slots:
                    await self._client.patch_raw(POD, key.name, patch, key.namespace, subresource="status")
                return
            except ClientError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)


def _running() -> dict[str, Any]:
    at = format_time(time.time())
    container = {
        "name": "main", "image": "bench", "imageID": "bench", "containerID": "simulated://bench", "ready": True,
        "started": True, "restartCount": 0, "state": {"running": {"startedAt": at}},
    }  # fmt: skip
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "phase": "Running",
        "startTime": at,
        "conditions": [{"type": one, "status": "True", "lastTransitionTime": at} for one in conditions],
        "containerStatuses": [container],
    }


def manifest(node: str, zone: str) -> dict[str, Any]:
    """A Node as its kubelet creates it, with the zone that a cloud gives it."""
    named = {labels.ARCHITECTURE: "amd64", labels.OPERATING_SYSTEM: "linux", labels.HOSTNAME: node, ZONE: zone}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": named}, "status": status(node)}


def status(node: str) -> dict[str, Any]:
    """The kubelet's own fields of a Node's status."""
    room = {**CAPACITY, "pods": str(PODS)}
    at = format_time(time.time())
    pressures = ("MemoryPressure", "DiskPressure", "PIDPressure")
    truths = {**dict.fromkeys(pressures, "False"), "Ready": "True"}
    heard = {"reason": "Simulated", "message": "", "lastHeartbeatTime": at, "lastTransitionTime": at}
    return {
        "addresses": [{"type": "Hostname", "address": node}],
        "capacity": room,
        "allocatable": room,
        "conditions": [{"type": type_, "status": truth, **heard} for type_, truth in truths.items()],
        "nodeInfo": {
            "architecture": "amd64", "operatingSystem": "linux", "machineID": f"simulated-{node}", "systemUUID": node,
            "bootID": node, "kernelVersion": "simulated", "osImage": "simulated", "kubeletVersion": "v1.32.0",
            "kubeProxyVersion": "", "containerRuntimeVersion": "simulated://1",
        },
    }  # fmt: skip
