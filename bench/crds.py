"""What many CRDs cost an API server. The CRDs are those of six well-known projects; the longest schemas have half a
megabyte.

What others wait for while each is applied and while its kind is used for the first time, and what a restart takes, in
time and memory. The server is a process of its own on SQLite, over TLS, authorizing and validating; a client beside the
one that writes asks for one small object, again and again.
"""

import contextlib
import http.client
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests import crd_modules

from bench.report import Result, publish, result
from bench.server import Server

ROUNDS = 5
PAUSE_SECONDS = 0.001
SMALL = "/api/v1/namespaces/default"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

Obj = dict[str, Any]


def main() -> None:
    """Runs and publishes."""
    crd_modules.bring()
    folder = Path(tempfile.mkdtemp(prefix="starlink-bench-"))
    try:
        publish("crds", _measure(folder, crd_modules.definitions()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, definitions: list[Obj]) -> list[Result]:
    with Server(folder / "crds") as server:
        empty = private(server)
        applied = [_wait_for(server, partial(server.call, "POST", CRDS, _dumped(one))) for one in definitions]
        filled = private(server)
        restarts, restarted, used, waits, told = [], [], [], [], []
        for _ in range(ROUNDS):
            restarts.append(server.restart())
            restarted.append(private(server))
            waits += [_wait_for(server, partial(_use, server, one)) for one in definitions]
            used.append(private(server))
            waits.append(_wait_for(server, partial(_explain, server)))
            told.append(private(server))
    many = f"{len(definitions)} CRDs"
    return [
        result("private memory without CRDs", "MB", [empty]),
        result("the longest wait of a small get while a CRD is applied", "ms", applied, at_most=50),
        result("the longest wait of all of them", "ms", [max(applied)], at_most=50),
        result(f"private memory after {many} were applied", "MB", [filled]),
        result(f"restart with {many} until ready", "s", restarts, at_most=2.5),
        result(f"private memory with {many}, restarted", "MB", restarted, at_most=130),
        result("private memory after each kind was used", "MB", used, at_most=130),
        result("private memory after all OpenAPI was read", "MB", told, at_most=130),
        result("the longest wait of a small get while a kind is used first", "ms", waits, at_most=50),
        result("the longest wait of all of them then", "ms", [max(waits)], at_most=50),
    ]


def _dumped(obj: Obj) -> bytes:
    return json.dumps(obj).encode()


def _use(server: Server, definition: Obj) -> None:
    """Has a kind's schema looked at: a wrong object of each served version is refused."""
    spec = definition["spec"]
    where = "/namespaces/default" if spec["scope"] == "Namespaced" else ""
    for version in spec["versions"]:
        if version["served"]:
            api_version = f"{spec['group']}/{version['name']}"
            body = {"apiVersion": api_version, "kind": spec["names"]["kind"], "metadata": {"name": "a"}, "spec": 1}
            with contextlib.suppress(OSError):  # which it is
                server.call("POST", f"/apis/{api_version}{where}/{spec['names']['plural']}?dryRun=All", _dumped(body))


def _explain(server: Server) -> None:
    """Reads each document of /openapi/v3, as kubectl does for `explain`."""
    for path in json.loads(server.call("GET", "/openapi/v3"))["paths"].values():
        server.call("GET", path["serverRelativeURL"])


def private(server: Server) -> float:
    """The memory that is the process's own, in MB."""
    lines = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _wait_for(server: Server, work: Callable[[], Any]) -> float:
    """The milliseconds that a small get took at most while something else was done."""
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.tls(), timeout=60)
    _asked(connection)
    waits: list[float] = []
    done = threading.Event()
    asker = threading.Thread(target=_ask, args=(connection, waits, done))
    asker.start()
    try:
        work()
    finally:
        done.set()
        asker.join()
        connection.close()
    return max(waits)


def _ask(connection: http.client.HTTPSConnection, waits: list[float], done: threading.Event) -> None:
    while not waits or not done.is_set():
        waits.append(_asked(connection))
        time.sleep(PAUSE_SECONDS)


def _asked(connection: http.client.HTTPSConnection) -> float:
    began = time.perf_counter()
    connection.request("GET", SMALL)
    connection.getresponse().read()
    return (time.perf_counter() - began) * 1000
