"""Clusters with drivers."""

from typing import Any

from tests.world import Cluster

from starlink.api.assignment import Assignment

Obj = dict[str, Any]


def driver(spec: Obj | None = None, name: str = "haproxy", **more: Any) -> Obj:
    """A template."""
    return {"runtime": "Driver", "driver": {"name": name, "operation": "serve", "spec": spec or {}}, **more}


def cluster_of(*servers: str, **spec: Any) -> Cluster:
    """Servers that run drivers too."""
    cluster = Cluster()
    for name in servers:
        cluster.server(name, **spec)["status"]["runtimes"] = ["Process", "Driver"]
    return cluster


def on(*servers: str) -> list[Obj]:
    """Fixed counts, one on each."""
    return [{"name": name} for name in servers]


def of(cluster: Cluster, task: str) -> list[Assignment]:
    return [a for a in cluster.assignments() if a.task == task]


def told(cluster: Cluster, task: str, word: str = "Ready") -> str:
    """Reason and message of a condition."""
    found = cluster.objects["Task", "default", task]["status"]["conditions"]
    return next(f"{one['reason']}: {one['message']}" for one in found if one["type"] == word)
