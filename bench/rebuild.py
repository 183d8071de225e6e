"""What a new leader needs: `python -m bench.rebuild PORT CA CERTIFICATE KEY` reads a large fleet from its API as the
operator does, and prints the seconds and the resident megabytes as JSON."""

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.load import request
from bench.server import Server
from starlink.api.kinds import ASSIGNMENT, SERVER, TASK

SERVERS, ASSIGNMENTS, TASKS = 10_000, 100_000, 1_000
CONNECTIONS = 32
_SERVERS = "/apis/starlink.dev/v1alpha1/servers"
_TASKS = "/apis/starlink.dev/v1alpha1/namespaces/default/tasks"
_ASSIGNMENTS = "/apis/starlink.dev/v1alpha1/namespaces/default/assignments"
_TEMPLATE = {
    "command": ["/bin/sh", "-c", "exec ./serve --port $PORT"],
    "env": [{"name": "MODE", "value": "production"}],
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    "ports": [{"name": "http"}],
    "probes": {"readiness": {"httpGet": {"path": "/healthz", "port": "http"}}},
}


@contextlib.contextmanager
def site(folder: Path) -> Iterator[Sequence[str]]:
    """An API server that has it all; gives the arguments for the reader."""
    with Server(folder / "site") as server:
        _fill(server, _SERVERS, _server, SERVERS)
        _fill(server, _TASKS, _task, TASKS)
        tasks = json.loads(server.call("GET", _TASKS))["items"]
        uids = {task["metadata"]["name"]: task["metadata"]["uid"] for task in tasks}
        _fill(server, _ASSIGNMENTS, lambda number: _assignment(number, uids), ASSIGNMENTS)
        yield [str(server.port), *map(str, server.files)]


def _fill(server: Server, path: str, make: Callable[[int], dict[str, Any]], count: int) -> None:
    server.run(lambda number: request("POST", path, json.dumps(make(number)).encode()), iter(range(count)), CONNECTIONS)


def _server(number: int) -> dict[str, Any]:
    labels = {"kubernetes.io/arch": "amd64", "topology.kubernetes.io/zone": f"zone-{number % 8}"}
    amounts = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti"}
    return {
        "apiVersion": SERVER.api_version,
        "kind": SERVER.kind,
        "metadata": {"name": f"server-{number:05}", "labels": labels},
        "status": {"architecture": "amd64", "allocatable": amounts, "capacity": amounts},
    }


def _task(number: int) -> dict[str, Any]:
    return {
        "apiVersion": TASK.api_version,
        "kind": TASK.kind,
        "metadata": {"name": f"task-{number:04}"},
        "spec": {"replicas": ASSIGNMENTS // TASKS, "template": _TEMPLATE},
    }


def _assignment(number: int, uids: Mapping[str, str]) -> dict[str, Any]:
    task, slot = divmod(number, ASSIGNMENTS // TASKS)
    labels = {"starlink.dev/task": f"task-{task:04}", "starlink.dev/revision": "0123abcd"}
    owner = {"apiVersion": TASK.api_version, "kind": TASK.kind, "name": f"task-{task:04}", "controller": True}
    return {
        "apiVersion": ASSIGNMENT.api_version,
        "kind": ASSIGNMENT.kind,
        "metadata": {
            "name": f"task-{task:04}-0123abcd-{slot}-1",
            "labels": labels,
            "finalizers": ["starlink.dev/stopped"],
            "ownerReferences": [{**owner, "uid": uids[f"task-{task:04}"]}],
        },
        "spec": {"server": f"server-{number % SERVERS:05}", "slot": str(slot), "attempt": 1, "template": _TEMPLATE},
    }


async def _read(port: str, files: Sequence[str]) -> dict[str, float]:
    from starlink.client.config import Config
    from starlink.client.kube import Client
    from starlink.engine.rounds.neighbours import Neighbours
    from starlink.engine.rounds.reservations import Reservations
    from starlink.planning.health import assess
    from starlink.planning.pool import effective_pools
    from starlink_operator.caches import Caches

    ca, certificate, key = (Path(name).read_bytes() for name in files)
    config = Config(f"https://127.0.0.1:{port}", ca, certificate, key)
    async with Client(config) as client:
        began = time.perf_counter()
        observed = Caches(client, time.monotonic, time.time, lambda: 1.0)
        following = asyncio.create_task(observed.run())
        await observed.synced()
        world = observed.world()
        pools = effective_pools(world)
        reservations = Reservations()
        reservations.follow(world, pools, assess(world, pools), Neighbours(world.tasks))
        seconds = time.perf_counter() - began
        following.cancel()
        assert len(reservations.fleet) == SERVERS and len(reservations.fleet.charges) == ASSIGNMENTS
    return {"seconds": seconds, "mb": _resident()}


def _resident() -> float:
    """What this process holds, in megabytes; kopf, which every operator has loaded, included."""
    import kopf

    assert kopf.__name__ in sys.modules
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_read(sys.argv[1], list(itertools.islice(sys.argv, 2, None))))))
