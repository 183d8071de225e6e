"""What StarLink's API server has and Kubernetes' has not: many writes of Assignments in one request.

It is no part of a comparison. The same Assignments are created in requests of their own beside it.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.endpoint import CONNECTIONS, Endpoint
from bench.fleet import name
from bench.kube.ledger import STARLINK, Ledger, Measure
from bench.kube.sizes import Sizes
from bench.load import request
from bench.server import Server
from starlink.api.kinds import ASSIGNMENT

GROUP = "bulk.starlink.dev"
PATH = f"/apis/{GROUP}/v1alpha1/bulkwrites"
TOGETHER = 100
NAMESPACE = "default"


def run(folder: Path, sizes: Sizes, ledger: Ledger) -> None:
    """All rounds. Raises RuntimeError when a request is refused, OSError."""
    with Server(folder / "bulk") as server:
        if GROUP in {one["name"] for one in json.loads(server.call("GET", "/apis"))["groups"]}:
            race(server, sizes, ledger)


def race(server: Endpoint, sizes: Sizes, ledger: Ledger) -> None:
    """All rounds on a server that runs."""
    numbers = itertools.count()
    together = min(TOGETHER, sizes.writes)
    requests = sizes.writes // together
    singly = Measure(f"create of an Assignment, {CONNECTIONS} connections, durable", "/s")
    bulk = Measure(f"create of an Assignment, {together} in a request, {CONNECTIONS} connections, durable", "/s")
    for _ in range(sizes.rounds):
        ledger.note(singly, STARLINK, server.run(_create, itertools.islice(numbers, sizes.writes)).rate)
        tally = server.run(lambda _: _bulk(itertools.islice(numbers, together)), iter(range(requests)))
        ledger.note(bulk, STARLINK, tally.rate * together)
    found = json.loads(server.call("GET", f"{ASSIGNMENT.path}/{ASSIGNMENT.plural}"))["items"]
    if len(found) != (asked := next(numbers)):
        raise RuntimeError(f"of {asked} Assignments {len(found)} are stored")


def _create(number: int) -> bytes:
    path = f"{ASSIGNMENT.path}/namespaces/{NAMESPACE}/{ASSIGNMENT.plural}"
    return request("POST", path, json.dumps(_assignment(number)).encode())


def _bulk(numbers: Iterator[int]) -> bytes:
    items = [{"verb": "create", "namespace": NAMESPACE, "object": _assignment(number)} for number in numbers]
    body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "BulkWrite", "items": items}
    return request("POST", PATH, json.dumps(body).encode())


def _assignment(number: int) -> dict[str, Any]:
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}}
    return {
        "apiVersion": ASSIGNMENT.api_version,
        "kind": ASSIGNMENT.kind,
        "metadata": {"name": f"bench-{number:07}", "labels": {"starlink.dev/task": "bench"}},
        "spec": {
            "server": name(number % 1000), "slot": str(number), "attempt": 1,
            "template": {"command": ["./serve"], "resources": resources},
        },
    }  # fmt: skip
