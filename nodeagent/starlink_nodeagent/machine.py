"""What this machine is, from /proc and /etc."""

import os
import platform
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "riscv64": "riscv64"}
RESERVED_MEMORY = 128 * 1024 * 1024
"""Kept for the system and the agent."""


class UnknownMachine(Exception):
    """StarLink does not run on machines of this kind."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts for Server.status; cpu in millicores, memory in bytes."""

    machine_id: str
    architecture: str
    operating_system: str
    kernel: str
    hostname: str
    address: str
    cpu: int
    memory: int


def observe(data_dir: Path, address: str) -> Machine:
    """This machine, as the agent of this data directory. Raises UnknownMachine."""
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise UnknownMachine(f"{platform.machine()!r} is not one of {', '.join(sorted(set(ARCHITECTURES.values())))}")
    return Machine(
        machine_id(data_dir),
        architecture,
        _operating_system(),
        platform.release(),
        socket.gethostname(),
        address or primary_address(),
        len(os.sched_getaffinity(0)) * 1000,
        _memory(),
    )


def machine_id(data_dir: Path) -> str:
    """The machine's id and the agent's own: two agents of one machine are two servers."""
    path = data_dir / "agent-id"
    if not path.exists():
        path.write_text(uuid.uuid4().hex + "\n")
    own = path.read_text().strip()
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:
        machine = ""
    return f"{machine or 'unknown'}-{own}"


def primary_address() -> str:
    """The address that other machines see first; loopback when there is no network. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


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
