"""The API server beside etcd: writes, reads, watches, leases, memory and restart.

The server is a process of its own on SQLite with `durability full`, over TLS, authorizing and validating; etcd is one
member with TLS on the same disk. Both are asked by the same loop (`bench.load`), round by round in turn. etcd's puts
carry as many bytes as the API server's objects.
"""

import contextlib
import datetime
import itertools
import json
import shutil
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.etcd_server import EtcdServer
from tests.etcd_tls import certificates

from bench import assignments, load, watchers
from bench.endpoint import CONNECTIONS
from bench.grpc_puts import GrpcPuts, put
from bench.load import request
from bench.report import Result, against, publish, result
from bench.server import Server
from bench.widgets import GROUP, PATH, PLURAL, SCHEMA, widget
from starlink.apiserver.requests.reading import listing
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.validation.compiled import StructuralSchema
from starlink.store.base import Key, Record

ROUNDS = 5
WRITES = 6_000
IN_BULK = 100
BULK_CONNECTIONS = 4
READS = 40_000
LISTED = 10_000
MANY = 100_000
WATCHERS = 1_000
LEASES = 10_000
LEASE_SECONDS = 20.0


class _Spent(NamedTuple):
    """Writes a second, and what one of them took of the server's CPU, in microseconds."""

    rate: float
    cpu: float


def main() -> None:
    """Runs and publishes."""
    folder = Path(tempfile.mkdtemp(prefix="starlink-bench-"))
    try:
        publish("apiserver", list(_told(_measure(folder))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _told(results: Iterable[Result]) -> Iterator[Result]:
    """Tells each as soon as it is there, for all take some minutes."""
    for one in results:
        print(f"  {one.measure}: {one.median:g} {one.unit} ({one.min:g}–{one.max:g})", flush=True)
        yield one


def _measure(folder: Path) -> Iterator[Result]:
    yield _memory_at_rest(folder)
    yield from _writes(folder)
    yield from _bulk_writes(folder)
    with Server(folder / "reads") as server:
        yield from _reads(server)
    yield from _leases(folder)
    yield from _watching(folder)
    yield from _many(folder)


def _create(number: int) -> bytes:
    return request("POST", PATH, widget(f"w-{number:07}"))


def _patch_status(number: int) -> bytes:
    patch = b'{"status":{"phase":"Running","count":%d}}' % number
    return request("PATCH", f"{PATH}/w-{number % WRITES:07}/status", patch, "application/merge-patch+json")


def _put(number: int) -> bytes:
    return put(b"/bench/%07d" % number, widget(f"w-{number:07}"))


def _writes(folder: Path) -> list[Result]:
    """Creates and status patches, each round beside etcd's puts."""
    puts, creates, patches = [], [], []
    numbers, changes, keys = itertools.count(), itertools.count(), itertools.count()
    (folder / "etcd").mkdir()
    tls = certificates(folder / "etcd")
    with EtcdServer(folder / "etcd", tls=tls) as etcd, Server(folder / "writes") as server:
        context = load.client_tls(tls.ca, tls.cert, tls.key, "h2")
        for _ in range(ROUNDS):
            puts.append(_etcd_puts(etcd.ports[0], context, itertools.islice(keys, WRITES)).rate)
            creates.append(server.run(_create, itertools.islice(numbers, WRITES)).rate)
            patches.append(server.run(_patch_status, itertools.islice(changes, WRITES)).rate)
    return [
        result(f"etcd put of 1 KB, {CONNECTIONS} connections, TLS", "/s", puts),
        against(f"create of 1 KB, {CONNECTIONS} connections", "/s", creates, "etcd puts", puts, at_least=2.0),
        against(f"status patch, {CONNECTIONS} connections", "/s", patches, "etcd puts", puts, at_least=1.5),
    ]


def _bulk_writes(folder: Path) -> list[Result]:
    """Creates and status patches of Assignments, singly and many in one request, in turn; by throughput, and by what
    they cost the server."""
    found: dict[str, list[_Spent]] = {"create": [], "create in bulk": [], "patch": [], "patch in bulk": []}
    with Server(folder / "bulk") as server:
        for round_ in range(ROUNDS):
            singles = range(2 * round_ * WRITES, (2 * round_ + 1) * WRITES)
            bulks = range(singles.stop // IN_BULK, (singles.stop + WRITES) // IN_BULK)
            found["create"].append(_spent(server, assignments.create, singles, CONNECTIONS))
            found["create in bulk"].append(_spent(server, _creates, bulks, BULK_CONNECTIONS))
            found["patch"].append(_spent(server, _patch, singles, CONNECTIONS))
            found["patch in bulk"].append(_spent(server, _patches, bulks, BULK_CONNECTIONS))
    creates = _beside("create of an Assignment", found["create"], found["create in bulk"])
    return [*creates, *_beside("status patch of an Assignment", found["patch"], found["patch in bulk"])]


def _beside(name: str, singly: Sequence[_Spent], in_bulk: Sequence[_Spent]) -> Iterator[Result]:
    bulk = f"{name} in bulk of {IN_BULK}"
    rates, cpu = [one.rate for one in singly], [one.cpu for one in singly]
    yield result(f"{name}, {CONNECTIONS} connections", "/s", rates)
    yield against(
        f"{bulk}, {BULK_CONNECTIONS} connections", "/s", [one.rate for one in in_bulk], "singly", rates, at_least=2.0
    )
    yield result(f"{name}: CPU of the server", "µs", cpu)
    yield result(
        f"{bulk}: CPU of the server", "µs", [one.cpu for one in in_bulk], at_most=round(statistics.median(cpu) / 2)
    )


def _spent(server: Server, make: Callable[[int], bytes], numbers: range, connections: int) -> _Spent:
    cpu = server.cpu_seconds()
    tally = server.run(make, iter(numbers), connections)
    return _Spent(WRITES / tally.seconds, (server.cpu_seconds() - cpu) / WRITES * 1e6)


def _creates(number: int) -> bytes:
    return assignments.creates(range(number * IN_BULK, (number + 1) * IN_BULK))


def _patch(number: int) -> bytes:
    return assignments.patch(number, WRITES)


def _patches(number: int) -> bytes:
    return assignments.patches(range(number * IN_BULK, (number + 1) * IN_BULK), WRITES)


def _etcd_puts(port: int, context: ssl.SSLContext, numbers: Iterator[int]) -> load.Tally:
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(load.connect(port, context)) for _ in range(CONNECTIONS)]
        tally = load.run(wires, [GrpcPuts(_put, "127.0.0.1") for _ in wires], numbers)
    if set(tally.statuses) != {"ok"}:
        raise RuntimeError(f"etcd refused puts: {tally.statuses}")
    return tally


def _reads(server: Server) -> list[Result]:
    server.run(_create, iter(range(LISTED)))
    gets = [
        server.run(lambda n: request("GET", f"{PATH}/w-{n % LISTED:07}"), iter(range(READS))).rate
        for _ in range(ROUNDS)
    ]
    lists: list[float] = []
    for _ in range(ROUNDS):
        server.call("DELETE", f"{PATH}/w-{len(lists):07}")  # so that no list is the one before
        lists.append(server.run(lambda _: request("GET", PATH), iter(range(1)), 1).latencies[0] * 1000)
    return [
        result(f"get, {CONNECTIONS} connections", "/s", gets, at_least=20_000),
        result(f"list of {LISTED} objects, encoded", "ms", _encoded_lists(), at_most=15),
        result(f"list of {LISTED} objects, read by a client", "ms", lists),
    ]


def _encoded_lists() -> list[float]:
    """The milliseconds that the server takes for the bytes of a list, from what is in its memory."""
    resource = Resource(GROUP, "v1", PLURAL, "widget", "Widget", True, StructuralSchema(SCHEMA))
    objects = (json.loads(widget(f"w-{number:07}")) for number in range(LISTED))
    records = [Record(Key(resource.storage, "", str(n)), n, encoding.to_stored(o)) for n, o in enumerate(objects)]
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        listing.body(resource, listing.Page(records, LISTED))
        times.append((time.perf_counter() - began) * 1000)
    return times


def _watching(folder: Path) -> list[Result]:
    """Many watchers with one writer and with sixteen."""
    found = []
    for writers, goal in ((1, 600_000), (16, 1_000_000)):
        runs = []
        for number in range(ROUNDS):
            with Server(folder / f"watch-{writers}-{number}") as server:
                runs.append(watchers.run(server.port, server.files, PATH, WATCHERS, writers))
        name = f"{WATCHERS} watchers, {writers} writer{'s' if writers > 1 else ''}"
        found += [
            result(f"{name}: deliveries", "/s", [run.deliveries for run in runs], at_least=goal),
            result(f"{name}: writes", "/s", [run.writes for run in runs], at_least=600 if writers == 1 else None),
            result(f"{name}: p99 lag", "ms", [run.lag * 1000 for run in runs], at_most=100 if writers == 1 else None),
        ]
    return found


def _lease(number: int) -> bytes:
    """The creation of a lease, then its renewals."""
    name, now = f"lease-{number % LEASES:05}", datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    if number >= LEASES:
        renewal = json.dumps({"spec": {"renewTime": now}}).encode()
        return request("PATCH", f"{path}/{name}", renewal, "application/merge-patch+json")
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now}
    obj = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
    return request("POST", path, json.dumps(obj).encode())


def _leases(folder: Path) -> list[Result]:
    """The CPU that the renewal of many leases takes, at two paces, and the pace that was kept."""
    found = []
    with Server(folder / "leases") as server:
        server.run(_lease, iter(range(LEASES)))
        for every, goal in ((5, 100), (10, None)):
            runs = [_renewals(server, LEASES / every) for _ in range(ROUNDS)]
            name = f"{LEASES} leases renewed every {every} s"
            found.append(result(f"{name}: CPU", "% of a core", [share for share, _ in runs], at_most=goal))
            found.append(result(f"{name}: renewals", "/s", [rate for _, rate in runs], at_least=LEASES / every * 0.99))
    return found


def _renewals(server: Server, rate: float) -> tuple[float, float]:
    """Renewals at `rate` a second, evenly; gives the server's share of a core, and the rate that it kept."""
    cpu, began = server.cpu_seconds(), time.perf_counter()

    def paced() -> Iterator[int]:
        for number in range(int(rate * LEASE_SECONDS)):
            due = began + number / rate
            while (wait := due - time.perf_counter()) > 0:
                time.sleep(wait)
            yield LEASES + number

    tally = server.run(_lease, paced())
    seconds = time.perf_counter() - began
    return 100 * (server.cpu_seconds() - cpu) / seconds, len(tally.latencies) / seconds


def _memory_at_rest(folder: Path) -> Result:
    samples = []
    for number in range(ROUNDS):
        with Server(folder / f"rest-{number}") as server:
            samples.append(server.resident())
    return result("resident memory at rest", "MB", samples, at_most=50)


def _many(folder: Path) -> list[Result]:
    """Memory and restart with many objects."""
    with Server(folder / "many") as server:
        server.run(_create, iter(range(MANY)))
        filled = server.resident()
        restarts, resident = [], []
        for _ in range(ROUNDS):
            restarts.append(server.restart())
            resident.append(server.resident())
    return [
        result(f"resident memory after {MANY} creates", "MB", [filled], at_most=350),
        result(f"resident memory with {MANY} objects, restarted", "MB", resident, at_most=350),
        result(f"restart with {MANY} objects until ready", "s", restarts, at_most=3),
    ]
