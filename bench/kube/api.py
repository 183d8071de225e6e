"""Both API servers, asked by the same client over the same number of connections: writes, reads, watches, memory.

Both check who asks and what is written, and have it on the disk before they answer; neither has anything else to do:
there is no operator and no controller manager.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kube.control_plane import ControlPlane

from bench import usage, watchers
from bench.endpoint import CONNECTIONS, Endpoint
from bench.kube.ledger import KUBERNETES, STARLINK, Ledger, Measure
from bench.kube.sites import plane_files
from bench.kube.sizes import Sizes
from bench.load import request
from bench.server import Server
from bench.widgets import GROUP, PATH, PLURAL, widget

WATCHED = "watched"
WATCHED_PATH = f"/apis/{GROUP}/v1/namespaces/{WATCHED}/{PLURAL}"
WRITERS = (1, 16)
CREATES, PATCHES, GETS, LISTS = 6.0, 6.0, 13.0, 7.0
DELIVERIES, LAG = 18.0, 0.8
FILLED = 1 / 8


class Racer:
    """One API server and its processes. Its objects have numbers, from 0 on."""

    def __init__(self, name: str, endpoint: Endpoint, pids: Mapping[str, int]) -> None:
        self.name = name
        self.endpoint = endpoint
        self._pids = pids
        self.objects = 0

    def create(self, count: int) -> float:
        """Objects of 1 KB; how many a second."""
        first, self.objects = self.objects, self.objects + count
        return self.endpoint.run(_create, iter(range(first, self.objects))).rate

    def patch(self, count: int, salt: int) -> float:
        """Statuses, to what they were not; how many a second."""
        return self.endpoint.run(lambda n: _patch(n % self.objects, salt + n), iter(range(count))).rate

    def get(self, count: int) -> float:
        """Objects, one by one; how many a second."""
        return self.endpoint.run(lambda n: request("GET", _path(n % self.objects)), iter(range(count))).rate

    def list(self) -> float:
        """All of them at once, after a change; the milliseconds."""
        self.endpoint.run(lambda n: _patch(n, n), iter(range(1)))
        return self.endpoint.run(lambda _: request("GET", PATH), iter(range(1)), 1).latencies[0] * 1000

    def memory(self) -> float:
        """Of its processes, in MB."""
        return sum(map(usage.proportional, self._pids.values()))


def run(folder: Path, sizes: Sizes, ledger: Ledger) -> None:
    """All rounds. Raises RuntimeError when a request is refused, OSError."""
    with _started(folder) as racers:
        race(racers, sizes, ledger)


@contextmanager
def _started(folder: Path) -> Iterator[Sequence[Racer]]:
    (folder / "kubernetes").mkdir()
    with Server(folder / "starlink") as server, ControlPlane(folder / "kubernetes", (), durable=True) as plane:
        theirs = Endpoint(plane.port, plane_files(plane))
        theirs.define()
        yield (
            Racer(STARLINK, server, {"apiserver": server.process.pid}),
            Racer(KUBERNETES, theirs, plane.pids),
        )


def race(racers: Sequence[Racer], sizes: Sizes, ledger: Ledger) -> None:
    """All rounds on servers that run, and have the CRD; in each round the other one begins. They are warmed
    up by the first objects, so that there are as many as are to be listed in the end."""
    for racer in racers:
        racer.endpoint.call("POST", "/api/v1/namespaces", b'{"metadata":{"name":"%s"}}' % WATCHED.encode())
        racer.create(sizes.listed - sizes.rounds * sizes.writes)
    for number in range(sizes.rounds):
        for racer in _turn(racers, number):
            _write(racer, number, sizes, ledger)
    for number in range(sizes.rounds):
        for racer in _turn(racers, number):
            _read(racer, sizes, ledger)
    for writers, number in itertools.product(WRITERS, range(sizes.rounds)):
        for racer in _turn(racers, number):
            _watch(racer, writers, sizes, ledger)


def _turn(racers: Sequence[Racer], number: int) -> Sequence[Racer]:
    start = number % len(racers)
    return [*racers[start:], *racers[:start]]


def _write(racer: Racer, number: int, sizes: Sizes, ledger: Ledger) -> None:
    name, over = racer.name, f"{CONNECTIONS} connections"
    created = Measure(f"create of 1 KB, {over}, durable", "/s", at_least=((STARLINK, CREATES),))
    ledger.note(created, name, racer.create(sizes.writes))
    patched = Measure(f"status patch, {over}, durable", "/s", at_least=((STARLINK, PATCHES),))
    ledger.note(patched, name, racer.patch(sizes.writes, number * sizes.writes))
    if number == sizes.rounds - 1:
        filled = f"memory (PSS) with {racer.objects} objects of 1 KB, API server and store"
        ledger.note(Measure(filled, "MB", at_most=((STARLINK, FILLED),)), name, racer.memory())


def _read(racer: Racer, sizes: Sizes, ledger: Ledger) -> None:
    gets = Measure(f"get, {CONNECTIONS} connections", "/s", at_least=((STARLINK, GETS),))
    ledger.note(gets, racer.name, racer.get(sizes.reads))
    lists = Measure(f"list of {racer.objects} objects, read by a client", "ms", at_most=((STARLINK, 1 / LISTS),))
    ledger.note(lists, racer.name, racer.list())


def _watch(racer: Racer, writers: int, sizes: Sizes, ledger: Ledger) -> None:
    of, endpoint = f"{sizes.watchers} watchers, {writers} writer{'s' * (writers > 1)}", racer.endpoint
    found = watchers.run(endpoint.port, endpoint.files, WATCHED_PATH, sizes.watchers, writers, sizes.watch_seconds)
    deliveries = Measure(f"{of}: deliveries", "/s", at_least=((STARLINK, DELIVERIES),))
    ledger.note(deliveries, racer.name, found.deliveries)
    ledger.note(Measure(f"{of}: p99 lag", "ms", at_most=((STARLINK, LAG),)), racer.name, found.lag * 1000)


def _path(number: int) -> str:
    return f"{PATH}/w-{number:07}"


def _create(number: int) -> bytes:
    return request("POST", PATH, widget(f"w-{number:07}"))


def _patch(number: int, count: int) -> bytes:
    patch = b'{"status":{"phase":"Running","count":%d}}' % count
    return request("PATCH", f"{_path(number)}/status", patch, "application/merge-patch+json")
