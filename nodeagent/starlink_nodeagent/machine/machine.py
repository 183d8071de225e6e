"""What this machine is, from /proc and /etc."""

import os
import platform
import socket
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from starlink.files import durable
from starlink_nodeagent.layout import AGENT_ID
from starlink_nodeagent.machine import devices, features, resources

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "riscv64": "riscv64"}


class UnknownMachine(Exception):
    """StarLink does not run on machines of this kind."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts for Server.status; amounts as `resources` tells them. `address` is where instances are reached, "" while
    that is not known."""

    machine_id: str
    architecture: str
    operating_system: str
    kernel: str
    hostname: str
    address: str
    capacity: Mapping[str, int]
    allocatable: Mapping[str, int]
    features: tuple[str, ...]
    runtimes: tuple[str, ...] = ()

    def offering(self, runtimes: Mapping[str, Iterable[str]]) -> Self:
        """The machine with these runtimes, by name, and what each offers beside."""
        features = {*self.features, *(feature for offered in runtimes.values() for feature in offered)}
        return replace(self, runtimes=tuple(runtimes), features=tuple(sorted(features)))


def observe(data_dir: Path, address: str, declared: Mapping[str, int], root: Path = Path("/")) -> Machine:
    """This machine, as the agent of this data directory; `declared` resources go before those found.

    Devices and features are looked for below `root`. Raises UnknownMachine.
    """
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise UnknownMachine(f"{platform.machine()!r} is not one of {', '.join(sorted(set(ARCHITECTURES.values())))}")
    found = {**devices.gpus(root), **declared}
    capacity = resources.capacity(len(os.sched_getaffinity(0)) * 1000, _memory(), _storage(data_dir), found)
    return Machine(
        machine_id(data_dir),
        architecture,
        _operating_system(),
        platform.release(),
        socket.gethostname(),
        address,
        capacity,
        resources.allocatable(capacity),
        features.observe(root, architecture, os.geteuid()),
    )


def machine_id(data_dir: Path) -> str:
    """The machine's id and the agent's own: two agents of one machine are two servers."""
    path = data_dir / AGENT_ID
    if not path.exists():
        durable.replace(path, f"{uuid.uuid4().hex}\n".encode())
    own = path.read_text().strip()
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:
        machine = ""
    return f"{machine or 'unknown'}-{own}"


def _operating_system() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return platform.system()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    return fields.get("PRETTY_NAME", platform.system()).strip('"')


def _memory() -> int:
    """The smaller of the machine's memory and this cgroup's limit."""
    total = int(Path("/proc/meminfo").read_text().split("MemTotal:", 1)[1].split()[0]) * 1024
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = Path(path).read_text().strip()
        except OSError:
            continue
        if limit.isdigit():
            total = min(total, int(limit))
    return total


def _storage(data_dir: Path) -> int:
    """The size of the file system that holds the instances."""
    about = os.statvfs(data_dir)
    return about.f_blocks * about.f_frsize
