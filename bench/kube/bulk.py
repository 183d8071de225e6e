"""What StarLink's API server has and Kubernetes' has not: many writes of Assignments in one request.

It is no part of a comparison. The same Assignments are created in requests of their own beside it; what both cost the
server is measured by `bench.apiserver`.
"""

import itertools
import json
from pathlib import Path

from bench import assignments
from bench.endpoint import CONNECTIONS, Endpoint
from bench.kube.ledger import STARLINK, Ledger, Measure
from bench.kube.sizes import Sizes
from bench.server import Server

TOGETHER = 100
REQUESTS = 4
"""Out at once, as of StarLink's operator."""


def run(folder: Path, sizes: Sizes, ledger: Ledger) -> None:
    """All rounds. Raises RuntimeError when a request is refused, OSError."""
    with Server(folder / "bulk") as server:
        race(server, sizes, ledger)


def race(server: Endpoint, sizes: Sizes, ledger: Ledger) -> None:
    """All rounds on a server that runs. Raises RuntimeError when a write of many was refused."""
    numbers = itertools.count()
    together = min(TOGETHER, sizes.writes)
    requests = sizes.writes // together
    singly = Measure(f"create of an Assignment, {CONNECTIONS} connections, durable", "/s")
    bulk = Measure(f"create of an Assignment, {together} in a request, {REQUESTS} connections, durable", "/s")
    for _ in range(sizes.rounds):
        alone = server.run(assignments.create, itertools.islice(numbers, sizes.writes))
        ledger.note(singly, STARLINK, alone.rate)
        many = server.run(
            lambda _: assignments.creates(itertools.islice(numbers, together)), iter(range(requests)), REQUESTS
        )
        ledger.note(bulk, STARLINK, many.rate * together)
    stored, asked = len(json.loads(server.call("GET", assignments.PATH))["items"]), next(numbers)
    if stored != asked:
        raise RuntimeError(f"of {asked} Assignments {stored} are stored")
