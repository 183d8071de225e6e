"""An API server of a benchmark's own, on SQLite, over TLS, authorizing and validating."""

import contextlib
import datetime
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import load
from bench.widgets import CRD
from starlink.apiserver.identity.pki import Pki

CONNECTIONS = 32
READY_SECONDS = 60.0


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
