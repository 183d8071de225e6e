"""An API server of a benchmark's own, on SQLite, over TLS, authorizing and validating."""

import datetime
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench import usage
from bench.endpoint import Endpoint
from starlink.apiserver.security.certificates.pki import Pki

READY_SECONDS = 60.0


class Server(Endpoint):
    """An API server of its own, with one CRD and clients' certificates."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        pki = Pki(folder / "pki", datetime.datetime.now(datetime.UTC))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        certificate, key = pki.client("bench", ["system:masters"])
        super().__init__(port, (pki.ca, certificate, key))
        self.process = self._start()
        self.define()

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

    def resident(self) -> float:
        """Resident memory in MB."""
        return usage.resident(self.process.pid)

    def cpu_seconds(self) -> float:
        """Of one core, since it started."""
        return usage.cpu_seconds(self.process.pid)
