"""Machines of a test's own: network namespaces with a wire between them, and no default route."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FIRST, SECOND = "10.77.31.1", "10.77.31.2"
NOBODY = "02:00:00:00:00:01"
"""A link address that no machine has."""
_NETNS = Path("/var/run/netns")
_LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine gives no network namespaces: ip {' '.join(words)}: {done.stderr.strip()}")


class Machine:
    """A network namespace with one address, on a wire to the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.within = ("ip", "netns", "exec", name)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is on the machine: so are the sockets that it makes meanwhile, to their end."""
        with Path("/proc/thread-self/ns/net").open() as home, (_NETNS / self.name).open() as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*self.within, *words], capture_output=True, text=True, timeout=60, check=False)

    def agent(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`starlink agent` that ends by itself."""
        return self.run(sys.executable, "-m", "starlink.cli", "agent", *words)

    def running_agent(self, log: Path, *words: str) -> contextlib.AbstractContextManager[None]:
        return self.running(log, sys.executable, "-m", "starlink.cli", "agent", *words)

    @contextlib.contextmanager
    def running(self, log: Path, *words: str) -> Iterator[None]:
        """A command that goes on until it is told to end."""
        with log.open("ab") as file:
            process = subprocess.Popen([*self.within, *words], stdout=file, stderr=file)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    @contextlib.contextmanager
    def unplugged(self) -> Iterator[None]:
        """Its end of the wire is pulled out."""
        ip("-n", self.name, "link", "set", self.name, "down")
        try:
            yield
        finally:
            ip("-n", self.name, "link", "set", self.name, "up")

    @contextlib.contextmanager
    def unheard_by(self, address: str) -> Iterator[None]:
        """What it sends to that address is lost, and nobody is told."""
        neighbour = ("-n", self.name, "neighbour")
        ip(*neighbour, "replace", address, "lladdr", NOBODY, "dev", self.name, "nud", "permanent")
        try:
            yield
        finally:
            ip(*neighbour, "delete", address, "dev", self.name)


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, 0):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Two machines on one wire, FIRST and SECOND."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    names = [f"sl{os.getpid()}{letter}" for letter in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", names[0], "netns", names[0], "type", "veth", "peer", "name", names[1], "netns", names[1])
        for name, address in zip(names, (FIRST, SECOND), strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", name)
            for device in ("lo", name):
                ip("-n", name, "link", "set", device, "up")
        yield Machine(names[0]), Machine(names[1])
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
