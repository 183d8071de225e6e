"""What is killed: API servers as processes of their own, over SQLite or over a shared etcd."""

import contextlib
import datetime
import json
import os
import random
import shutil
import ssl
import sys
import threading
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests import warm
from tests.etcd_server import EtcdServer
from tests.ports import free_ports

from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.config import Config
from starlink.store.seal import AsStored, is_sealed

START_SECONDS = 60.0


class ApiServer:
    """One `python -m starlink.apiserver` on a folder and a port of its own."""

    def __init__(self, folder: Path, arguments: Sequence[str] = ()) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.pki = Pki(folder / "pki", datetime.datetime.now(datetime.UTC))
        self.pki.client("admin", ["system:masters"])
        self._ca = self.pki.ca.read_text()
        (self._port,) = free_ports(1)
        self._arguments = arguments
        self._process: warm.Running | None = None

    def config(self) -> Config:
        """As an administrator."""
        certificate, key = self.pki.client("admin", ["system:masters"])
        url = f"https://127.0.0.1:{self._port}"
        return Config(url, self.pki.ca.read_bytes(), certificate.read_bytes(), key.read_bytes())

    def start(self) -> None:
        words = ["--data-dir", str(self.folder), "--listen", f"127.0.0.1:{self._port}", *self._arguments]
        with (self.folder / "log").open("ab") as log:
            self._process = warm.popen([sys.executable, "-m", "starlink.apiserver", *words], stdout=log, stderr=log)

    def wait(self) -> None:
        """Waits until it answers."""
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > end or self._process is None or self._process.poll() is not None:
                pytest.fail(f"the API server did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        context = ssl.create_default_context(cadata=self._ca)
        url = f"https://127.0.0.1:{self._port}/readyz"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2, context=context):
            return True
        return False

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def complaints(self) -> list[str]:
        """What it logged as an error, tracebacks too."""
        lines = (self.folder / "log").read_text().splitlines()
        return [line for line in lines if not line.startswith("{") or json.loads(line)["level"] == "error"]


class Site(ABC):
    """API servers that serve the same objects; `kill` ends one thing and gives its name, `restart` brings it back.

    After `stop` nothing of it runs: a restart that is under way in another thread is waited for, another is refused.
    """

    def __init__(self) -> None:
        self.servers: list[ApiServer] = []
        self._lock = threading.Lock()
        self._stopped = False

    @abstractmethod
    def kill(self, rng: random.Random) -> str: ...

    def restart(self) -> None:
        with self._starting():
            self._restart()

    @abstractmethod
    def _restart(self) -> None: ...

    def complaints(self) -> list[str]:
        """What is wrong, now that everything has happened."""
        return [line for server in self.servers for line in server.complaints()]

    def stop(self) -> None:
        """Ends everything, once and for all."""
        self._stopped = True
        with self._lock:
            for server in self.servers:
                server.kill()

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        with self._lock:
            if self._stopped:
                raise RuntimeError("the site is stopped; nothing is started any more")
            yield

    @contextlib.contextmanager
    def _stopped_unless_done(self) -> Iterator[None]:
        try:
            with self._starting():
                yield
        except BaseException:
            self.stop()
            raise


class SqliteSite(Site):
    """One API server on its own database."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.servers.append(ApiServer(folder / "api"))
        with self._stopped_unless_done():
            self._restart()

    def kill(self, rng: random.Random) -> str:
        self.servers[0].kill()
        return "server"

    def _restart(self) -> None:
        self.servers[0].start()
        self.servers[0].wait()


class EtcdSite(Site):
    """API servers with the same certificates and keys over three members; one of `killed` is killed at a time."""

    def __init__(self, folder: Path, count: int = 2, killed: Sequence[str] = ("server", "leader", "follower")) -> None:
        super().__init__()
        etcd = folder / "etcd"
        etcd.mkdir()
        self.etcd = EtcdServer(etcd, members=3)
        self._kinds = killed
        self._killed: int | ApiServer = 0
        with self._stopped_unless_done():
            for number in range(count):
                self._add(folder / f"api{number}", number)

    def _add(self, folder: Path, number: int) -> None:
        if self.servers:
            first = self.servers[0].folder
            for part in ("pki", "store"):
                shutil.copytree(first / part, folder / part)
        endpoints = self.etcd.endpoints
        turned = endpoints[number:] + endpoints[:number]
        self.servers.append(ApiServer(folder, ["--etcd-endpoints", ",".join(turned)]))
        self.servers[-1].start()
        self.servers[-1].wait()

    def kill(self, rng: random.Random) -> str:
        what = rng.choice(self._kinds)
        if what == "server":
            server = rng.choice(self.servers)
            self._killed = server
            server.kill()
        else:
            leader = self.etcd.leader()
            others = [index for index in range(3) if index != leader]
            self._killed = leader if what == "leader" else rng.choice(others)
            self.etcd.kill(self._killed)
        return what

    def _restart(self) -> None:
        if isinstance(self._killed, ApiServer):
            self._killed.start()
            self._killed.wait()
        else:
            self.etcd.restart(self._killed)

    def complaints(self) -> list[str]:
        """Secrets that lie in etcd as they were written, too."""
        from starlink.store.etcd.envelope import unwrap  # only here is the extra [etcd] needed
        from starlink.store.etcd.layout import Layout

        layout, held = Layout("/starlink/", AsStored()), self.etcd.held("/starlink//secrets/")
        assert held
        stored = {key: value for name, (_, _, value) in held.items() if (key := layout.decode(name.encode()))}
        return super().complaints() + [key.name for key, value in stored.items() if not is_sealed(unwrap(key, value))]

    def stop(self) -> None:
        super().stop()
        with self._lock:
            self.etcd.stop()


def rounds() -> int:
    """How many times something is killed."""
    return int(os.environ.get("STARLINK_CRASH_ROUNDS", "3"))


def seed() -> int:
    """STARLINK_SEED repeats what is random here; what the kernel and the network do differs all the same."""
    return int(os.environ.get("STARLINK_SEED", str(time.time_ns() % 100_000)))
