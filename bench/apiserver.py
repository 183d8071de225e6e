"""The API server beside etcd: writes, reads, watches, leases, memory and restart.

The server is a process of its own on SQLite with `durability full`, over TLS, authorizing and validating; etcd is one
member with TLS on the same disk. Both are asked by the same loop (`bench.load`), round by round in turn. etcd's puts
carry as many bytes as the API server's objects.
"""

import contextlib
import datetime
import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.etcd_server import EtcdServer
from tests.etcd_tls import certificates

from bench import load, watchers
from bench.grpc_puts import GrpcPuts, put
from bench.report import Result, against, publish, result
from starlink.apiserver import encoding
from starlink.apiserver.identity.pki import Pki
from starlink.apiserver.reading import listing
from starlink.apiserver.resource import Resource
from starlink.apiserver.schema.compiled import StructuralSchema
from starlink.store.base import Key, Record

ROUNDS = 5
CONNECTIONS = 32
WRITES = 6_000
READS = 40_000
LISTED = 10_000
MANY = 100_000
WATCHERS = 1_000
LEASES = 10_000
LEASE_SECONDS = 20.0
READY_SECONDS = 60.0
GROUP, PLURAL = "bench.example.com", "widgets"
PATH = f"/apis/{GROUP}/v1/namespaces/default/{PLURAL}"

_SPEC = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "minimum": 0},
        "at": {"type": "integer"},
        "color": {"type": "string", "enum": ["red", "green", "blue"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
        "payload": {"type": "string"},
    },
    "required": ["size"],
}
_STATUS = {"type": "object", "properties": {"phase": {"type": "string"}, "count": {"type": "integer"}}}
_WIDGET = {"type": "object", "properties": {"spec": _SPEC, "status": _STATUS}}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": PLURAL, "singular": "widget", "kind": "Widget"},
        "versions": [{
            "name": "v1",
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": _WIDGET},
        }],
    },
}  # fmt: skip


def widget(name: str) -> bytes:
    """A custom resource of 1 KB."""
    return json.dumps({
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "spec": {
            "size": 1,
            "color": "red",
            "tags": ["a", "b", "c"],
            "parameters": {f"key-{number}": "v" * 10 for number in range(8)},
            "payload": "x" * 620,
        },
    }).encode()  # fmt: skip


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
    with Server(folder / "reads") as server:
        yield from _reads(server)
    yield from _leases(folder)
    yield from _watching(folder)
    yield from _many(folder)


class Server:
    """An API server of its own, with one CRD and clients' certificates."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._pki = Pki(folder / "pki", datetime.datetime.now(datetime.UTC))
        self._client = self._pki.client("bench", ["system:masters"])
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.process = self._start()
        self.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json.dumps(CRD).encode())

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGTERM)

    def _start(self) -> "subprocess.Popen[bytes]":
        words = [sys.executable, "-m", "starlink.apiserver", "--data-dir", str(self.folder)]
        log = (self.folder / "log").open("ab")
        process = subprocess.Popen([*words, "--listen", f"127.0.0.1:{self.port}"], stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.call("GET", "/readyz")
                return process
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.01)

    def stop(self, with_signal: signal.Signals) -> None:
        """Ends the process."""
        self.process.send_signal(with_signal)
        self.process.wait(timeout=30)

    def restart(self) -> float:
        """Kills it and starts it again; gives the seconds until it is ready."""
        self.stop(signal.SIGKILL)
        began = time.perf_counter()
        self.process = self._start()
        return time.perf_counter() - began

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """The CA, and an administrator's certificate and key."""
        return self._pki.ca, *self._client

    def tls(self) -> ssl.SSLContext:
        """An administrator's."""
        return load.client_tls(*self.files, alpn="http/1.1")

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """One request by itself. Raises OSError."""
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls())
        )
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", body, headers, method=method)
        with opener.open(request, timeout=60) as answer:
            read: bytes = answer.read()
            return read

    def run(self, make: Callable[[int], bytes], numbers: Iterator[int], connections: int = CONNECTIONS) -> load.Tally:
        """Load from new connections. Raises RuntimeError when a request is refused."""
        context = self.tls()
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(load.connect(self.port, context)) for _ in range(connections)]
            tally = load.run(wires, [load.Http(make) for _ in wires], numbers)
        if refused := {status for status in tally.statuses if not status.startswith("2")}:
            raise RuntimeError(f"requests were refused: {refused}")
        return tally

    def resident(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """Of one core, since it started."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(method: str, path: str, body: bytes = b"", media: str = "application/json") -> bytes:
    """A request's bytes."""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench/1\r\n"
    if body:
        head += f"content-type: {media}\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


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
    resource = Resource(GROUP, "v1", PLURAL, "widget", "Widget", True, StructuralSchema(_WIDGET))
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
