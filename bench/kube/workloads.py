"""What is asked of both schedulers, in the words of each: pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.agents import ZONE
from bench.fleet import CAPACITY, ZONES, zone
from bench.kube.sizes import Sizes
from starlink.api import labels
from starlink.api.kinds import TASK

NAMESPACE = "default"
MILLICORES = 100
MACHINE = 1000 * int(CAPACITY["cpu"])
"""Millicores of a server."""
MEMORY = "64Mi"
APART = "apart"
"""The label whose bearers of equal value keep away from each other."""
SHARED = 10
"""Sets that keep away from each other."""
UNLIKE = (1000, 2000, 3000, 5000, 7000)
"""Millicores of instances that differ."""
FILLED = zone(0)
OVERFULL = 1.1

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """So many sets of `each` instances: a Task here, a Deployment there. Of `single` ones each is a Task of one, and a
    Pod of its own. `cpus` are the millicores of one set's instances after the other."""

    name: str
    sets: int
    each: int
    single: bool = False
    spread: bool = False
    apart: int = 0
    """So many sets after one another keep away from each other, and their instances from one another."""
    zone: str = ""
    cpus: tuple[int, ...] = (MILLICORES,)

    def __str__(self) -> str:
        sets = f"{self.sets} set{'s' * (self.sets > 1)} of {self.each}"
        shape = f"{self.sets} single instances" if self.single else f"{self.instances} instances as {sets}"
        return f"{shape}{', spread over zones' * self.spread}{', kept apart' * bool(self.apart)}{self._room}"

    @property
    def _room(self) -> str:
        return f" of unlike sizes, more than fits into {self.zone}" if self.zone else ""

    @property
    def instances(self) -> int:
        return self.sets * self.each

    def set_of(self, number: int) -> str:
        """The name of a set."""
        return f"{self.name}-{number:05}"

    def labels_of(self, number: int) -> dict[str, str]:
        """The labels of a set that placement goes by."""
        return {APART: f"{self.name}-{number // self.apart}"} if self.apart else {}

    def cpu_of(self, number: int) -> int:
        """The millicores that each of a set's instances asks for."""
        return self.cpus[number % len(self.cpus)]

    def requests_of(self, number: int) -> dict[str, str]:
        """All that it asks for."""
        return {"cpu": f"{self.cpu_of(number)}m", "memory": MEMORY}


def few(sizes: Sizes) -> tuple[Workload, Workload]:
    """The smaller number, in sets and one by one."""
    return _both("few", sizes.sets, sizes.few)


def many(sizes: Sizes) -> tuple[Workload, Workload]:
    """The larger."""
    return _both("many", sizes.sets, sizes.many)


def _both(name: str, sets: int, instances: int) -> tuple[Workload, Workload]:
    sets = min(sets, instances)
    return Workload(f"{name}-sets", sets, instances // sets), Workload(f"{name}-single", instances, 1, single=True)


def spread(sizes: Sizes) -> Workload:
    """Sets that may differ by one between zones."""
    sets = max(1, sizes.sets // 2)
    return Workload("spread", sets, max(1, sizes.constrained // sets), spread=True)


def apart(sizes: Sizes) -> Workload:
    """Sets that keep away from themselves and from others."""
    sets = max(1, sizes.sets // 2)
    each = max(1, sizes.constrained // sets)
    return Workload("apart", sets, each, apart=max(1, min(SHARED, sizes.servers // each)))


def unlike(sizes: Sizes) -> Workload:
    """More than one zone takes, of unlike sizes."""
    room = -(-sizes.servers // ZONES) * MACHINE
    count = int(room * OVERFULL / (sum(UNLIKE) / len(UNLIKE)))
    return Workload("unlike", count, 1, single=True, zone=FILLED, cpus=UNLIKE)


def task(workload: Workload, number: int) -> tuple[str, bytes]:
    """The path and the body of a set's creation, for StarLink."""
    named = workload.labels_of(number)
    obj = {
        "apiVersion": TASK.api_version,
        "kind": TASK.kind,
        "metadata": {"name": workload.set_of(number), "labels": named},
        "spec": {
            "replicas": workload.each,
            "template": {"command": ["./serve"], "resources": {"requests": workload.requests_of(number)}},
            "placement": _placement(workload, named),
        },
    }
    return f"{TASK.path}/namespaces/{NAMESPACE}/{TASK.plural}", json.dumps(obj).encode()


def _placement(workload: Workload, named: Mapping[str, str]) -> Obj:
    placement: Obj = {}
    if workload.spread:
        placement["spread"] = [{"topologyKey": ZONE, "maxSkew": 1}]
    if workload.apart:
        placement["antiAffinity"] = [{"taskSelector": named}]
    if workload.zone:
        placement["serverSelector"] = {ZONE: workload.zone}
    return placement


def deployment(workload: Workload, number: int) -> tuple[str, bytes]:
    """The same for Kubernetes: of a Deployment, or of a Pod."""
    name = workload.set_of(number)
    named = {"app": name, **workload.labels_of(number)}
    metadata: Obj = {"name": name, "labels": named}
    pod = {"metadata": metadata, "spec": _pod_spec(workload, number, named)}
    if workload.single:
        return f"/api/v1/namespaces/{NAMESPACE}/pods", json.dumps({"apiVersion": "v1", "kind": "Pod", **pod}).encode()
    template = {"metadata": {"labels": named}, "spec": pod["spec"]}
    spec = {"replicas": workload.each, "selector": {"matchLabels": {"app": name}}, "template": template}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    return f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", json.dumps(obj).encode()


def _pod_spec(workload: Workload, number: int, named: Mapping[str, str]) -> Obj:
    container = {"name": "main", "image": "bench", "resources": {"requests": workload.requests_of(number)}}
    spec: Obj = {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
    if workload.spread:
        of_set = {"matchLabels": {"app": named["app"]}}
        rule = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": of_set}
        spec["topologySpreadConstraints"] = [rule]
    if workload.apart:
        term = {"topologyKey": labels.HOSTNAME, "labelSelector": {"matchLabels": {APART: named[APART]}}}
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    if workload.zone:
        spec["nodeSelector"] = {ZONE: workload.zone}
    return spec
