"""What the machine offers beside amounts: Server.status.features.

All is read below a root, which is / but in tests.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

_CPU = {"amd64": ("flags", ("avx2", "avx512f", "aes")), "arm64": ("Features", ("asimd", "sve", "sha2"))}
_RISCV_BASE = re.compile(r"rv\d+([a-rt-wy]*)")
"""The single-letter extensions; s, x and z start the names of longer ones.
https://docs.riscv.org/reference/isa/unpriv/naming.html"""


def observe(root: Path, architecture: str, euid: int) -> tuple[str, ...]:
    """What is there, sorted. `euid` is the agent's effective user."""
    found = {
        "cgroup2": (root / "sys/fs/cgroup/cgroup.controllers").exists(),
        "fuse": _can_write(root / "dev/fuse"),
        "kvm": _can_write(root / "dev/kvm"),
        "root": euid == 0,
    }
    there = {name for name, here in found.items() if here}
    return tuple(sorted(there | of_cpu(_read(root / "proc/cpuinfo"), architecture)))


def of_cpu(cpuinfo: str, architecture: str) -> frozenset[str]:
    """The features that every processor of /proc/cpuinfo has: a process may run on any of them."""
    if architecture == "riscv64":
        letters = [set(_base(isa)) for isa in _fields(cpuinfo, "isa")]
        return frozenset({"rvv"} if letters and all("v" in have for have in letters) else ())
    if architecture not in _CPU:
        return frozenset()
    key, wanted = _CPU[architecture]
    flags = [set(text.split()) for text in _fields(cpuinfo, key)]
    return frozenset(wanted).intersection(*flags) if flags else frozenset()


def _base(isa: str) -> str:
    match = _RISCV_BASE.match(isa)
    return match[1] if match else ""


def _fields(cpuinfo: str, key: str) -> Iterable[str]:
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            yield value.strip()


def _can_write(device: Path) -> bool:
    """Whether it can be opened: its mode says too little where a container's device rules forbid it."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
