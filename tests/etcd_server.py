"""A real etcd for tests: one or more members on loopback, in a folder of the test's own."""

import base64
import contextlib
import json
import os
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.etcd_tls import Tls
from tests.ports import free_ports
from tests.tools import ETCD

START_SECONDS = 60.0
CALL_SECONDS = 3.0


class EtcdServer:
    """A cluster that is up when it is made. Raises RuntimeError when it doesn't come up in time."""

    def __init__(self, folder: Path, members: int = 1, tls: Tls | None = None, flags: Sequence[str] = ()) -> None:
        self._binary = ETCD.path()
        self._folder = folder
        self._tls = tls
        self._flags = flags
        ports = free_ports(2 * members)
        self.ports = ports[:members]
        self._peers = ports[members:]
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * members
        try:
            for index in range(members):
                self._start(index)
            self.wait()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoints(self) -> list[str]:
        return [self._url(index) for index in range(len(self.ports))]

    @property
    def pids(self) -> list[int]:
        """Of the members that run."""
        return [process.pid for process in self._processes if process is not None]

    def _url(self, index: int) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.ports[index]}"

    def _start(self, index: int) -> None:
        cluster = ",".join(f"m{i}=http://127.0.0.1:{port}" for i, port in enumerate(self._peers))
        peer = f"http://127.0.0.1:{self._peers[index]}"
        words = [
            self._binary, "--name", f"m{index}", "--data-dir", str(self.data(index)), "--log-level", "warn",
            "--listen-client-urls", self._url(index), "--advertise-client-urls", self._url(index),
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", cluster, "--initial-cluster-state", "new", *self._flags,
        ]  # fmt: skip
        if self._tls:
            words += ["--cert-file", str(self._tls.cert), "--key-file", str(self._tls.key)]
            words += ["--trusted-ca-file", str(self._tls.ca), "--client-cert-auth"]
        env = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
        with (self._folder / f"m{index}.log").open("ab") as log:
            self._processes[index] = subprocess.Popen(words, stdout=log, stderr=log, env=env, cwd=self._folder)

    def data(self, index: int) -> Path:
        """A member's data folder."""
        return self._folder / f"m{index}"

    def wait(self) -> None:
        """Waits until every running member answers and knows a leader."""
        end = time.monotonic() + START_SECONDS
        for index, process in enumerate(self._processes):
            while process is not None and not self._healthy(index):
                if process.poll() is not None or time.monotonic() > end:
                    log = (self._folder / f"m{index}.log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"etcd member {index} did not come up: {log}")
                time.sleep(0.05)

    def _healthy(self, index: int) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return bool(self.call("/v3/kv/range", {"key": _text(b"\0")}, index))
        return False

    def call(self, path: str, body: dict[str, Any], index: int | None = None) -> dict[str, Any]:
        """Asks a member (None: the first that runs) through etcd's JSON gateway. Raises OSError."""
        if index is None:
            index = next(i for i, process in enumerate(self._processes) if process is not None)
        context = None
        if self._tls:
            context = ssl.create_default_context(cafile=str(self._tls.ca))
            context.load_cert_chain(self._tls.cert, self._tls.key)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(self._url(index) + path, json.dumps(body).encode(), CALL_SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def revision(self, index: int | None = None) -> int:
        """The cluster's revision, as a member says it."""
        return int(self.call("/v3/kv/range", {"key": _text(b"\0")}, index)["header"]["revision"])

    def held(self, prefix: str) -> dict[str, tuple[int, int, bytes]]:
        """By key: the last revision, how often it was written since it was created, and the value."""
        request = {"key": _text(prefix.encode()), "range_end": _text(prefix.encode()[:-1] + b"0")}
        kvs = self.call("/v3/kv/range", request).get("kvs", [])
        return {
            base64.b64decode(kv["key"]).decode(): (
                int(kv["mod_revision"]),
                int(kv["version"]),
                base64.b64decode(kv.get("value", "")),
            )
            for kv in kvs
        }

    def compact(self, revision: int) -> None:
        """Forgets the history below a revision."""
        self.call("/v3/kv/compaction", {"revision": str(revision), "physical": True})

    def leader(self) -> int:
        """The index of the member that leads."""
        for index, process in enumerate(self._processes):
            if process is not None:
                status = self.call("/v3/maintenance/status", {}, index)
                if status["leader"] == status["header"]["member_id"]:
                    return index
        raise RuntimeError("no member leads")

    def kill(self, index: int) -> None:
        """SIGKILL."""
        process, self._processes[index] = self._processes[index], None
        if process is not None:
            process.kill()
            process.wait(timeout=10)

    def restart(self, index: int) -> None:
        """Starts a killed member again, and waits until all running members answer."""
        self._start(index)
        self.wait()

    def freeze(self, index: int) -> None:
        """SIGSTOP: the member keeps its connections but answers nothing."""
        process = self._processes[index]
        assert process is not None
        process.send_signal(signal.SIGSTOP)

    def thaw(self, index: int) -> None:
        """SIGCONT."""
        process = self._processes[index]
        assert process is not None
        process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ends every member."""
        for index in range(len(self._processes)):
            self.kill(index)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
