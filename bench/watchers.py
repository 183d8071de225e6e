"""Many watchers of one resource, in one process, while another process writes.

Deliveries are counted by the ends of lines. Each object says when it was written; the lag of a piece that is read is
that of its oldest event, so that what is reported is an upper bound.
"""

import json
import multiprocessing
import selectors
import ssl
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench import load
from bench.load import Files

WARM_SECONDS = 2.0
SECONDS = 6.0
OBJECTS = 64
_buffer = bytearray(64 * 1024)
_AT = b'"at":'


@dataclass(frozen=True, slots=True)
class Run:
    """Deliveries and writes a second, and the 99th percentile of the lag in seconds."""

    deliveries: float
    writes: float
    lag: float


class _Watcher:
    """One connection that reads events."""

    def __init__(self, wire: ssl.SSLSocket, path: str) -> None:
        self.wire = wire
        wire.sendall(b"GET %b?watch=true&resourceVersion=0 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" % path.encode())
        wire.setblocking(False)
        self._last = 0

    def read(self, lags: list[float]) -> int:
        """Reads all that has come; gives the number of events."""
        events = 0
        while True:
            try:
                size = self.wire.recv_into(_buffer)
            except ssl.SSLWantReadError:
                return events
            if not size:
                raise ConnectionError("the server ended a watch")
            events += _buffer.count(b"}\n", 0, size) + (self._last == ord("}") and _buffer[0] == ord("\n"))
            self._last = _buffer[size - 1]
            start = _buffer.find(_AT, 0, size) + len(_AT)
            digits = _buffer[start : min(start + 19, size)]
            if start >= len(_AT) and len(digits) == 19 and digits.isdigit():
                lags.append(time.time() - int(digits) / 1e9)


def run(
    port: int,
    files: Files,
    path: str,
    watchers: int,
    writers: int,
    seconds: tuple[float, float] = (WARM_SECONDS, SECONDS),
) -> Run:
    """`files` are an administrator's; `seconds` are those to warm up in, and those that count. Raises RuntimeError when
    the writers fail."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    writing = multiprocessing.get_context("spawn").Process(target=_write, args=(theirs, port, files, path, writers))
    writing.start()
    theirs.close()  # or nothing would tell that the writing process has ended
    try:
        ours.recv()  # the objects are there
        return _watch(port, files, path, watchers, ours, seconds)
    except EOFError:
        raise RuntimeError("the writers have failed; what they say is above") from None
    finally:
        writing.kill()
        writing.join()


def _watch(port: int, files: Files, path: str, watchers: int, writer: Connection, times: tuple[float, float]) -> Run:
    context = load.client_tls(*files, alpn="http/1.1")
    lags: list[float] = []
    with selectors.DefaultSelector() as selector:
        for _ in range(watchers):
            watcher = _Watcher(load.connect(port, context), path)
            selector.register(watcher.wire, selectors.EVENT_READ, watcher)
        writer.send("go")
        _read_for(times[0], selector, lags)
        lags.clear()
        writer.send("count")
        deliveries, seconds = _read_for(times[1], selector, lags)
        writer.send("stop")
        writes = float(writer.recv())
        for key in list(selector.get_map().values()):
            key.data.wire.close()
    lags.sort()
    return Run(deliveries / seconds, writes, lags[int(len(lags) * 0.99)])


def _read_for(seconds: float, selector: selectors.BaseSelector, lags: list[float]) -> tuple[int, float]:
    began = time.perf_counter()
    events = 0
    while time.perf_counter() - began < seconds:
        for key, _ in selector.select(timeout=0.1):
            events += key.data.read(lags)
    return events, time.perf_counter() - began


def _write(parent: Connection, port: int, files: Files, path: str, writers: int) -> None:
    """The writing process: patches until it is told to stop, then says how many a second since `count`.

    It connects when the watchers have: kube-apiserver ends a connection on which nothing is asked within 32 s, or for
    90 s later on.
    """
    context = load.client_tls(*files, alpn="http/1.1")
    with load.connect(port, context) as wire:
        load.run([wire], [load.Http(lambda n: _created(path, n))], iter(range(OBJECTS)))
    parent.send("ready")
    parent.recv()
    wires = [load.connect(port, context) for _ in range(writers)]
    counted: dict[str, Any] = {"since": 0.0, "number": 0}

    def numbers() -> Any:
        number = 0
        while True:
            if parent.poll():
                if parent.recv() == "stop":
                    counted["rate"] = (number - counted["number"]) / (time.perf_counter() - counted["since"])
                    return
                counted.update(since=time.perf_counter(), number=number)
            yield number
            number += 1

    load.run(wires, [load.Http(lambda n: _patched(path, n)) for _ in wires], numbers())
    parent.send(counted["rate"])


def _created(path: str, number: int) -> bytes:
    group, version = path.split("/")[2:4]
    obj = {"apiVersion": f"{group}/{version}", "kind": "Widget", "metadata": {"name": f"o-{number}"}}
    return _request("POST", path, json.dumps({**obj, "spec": {"size": 1, "at": time.time_ns()}}).encode())


def _patched(path: str, number: int) -> bytes:
    return _request("PATCH", f"{path}/o-{number % OBJECTS}", b'{"spec":{"at":%d}}' % time.time_ns())


def _request(method: str, path: str, body: bytes) -> bytes:
    media = "merge-patch+json" if method == "PATCH" else "json"
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench/1\r\n"
    return f"{head}content-type: application/{media}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
