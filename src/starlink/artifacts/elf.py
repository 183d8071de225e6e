"""What machines ELF files are for. Pure: bytes and paths in, architectures and the reason out.

https://gabi.xinuos.com/elf/02-eheader.html (header), https://gabi.xinuos.com/elf/a-emachine.html (machines),
https://gabi.xinuos.com/elf/07-pheader.html (segments).
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from starlink.api.template import Architecture

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
HEAD_BYTES = 4096
"""How much of a file `parse` wants: linkers put the program headers right behind the ELF header."""

_EXEC, _DYN = 2, 3
_PT_INTERP = 3
_OURS: dict[int, Architecture] = {62: "amd64", 183: "arm64", 243: "riscv64"}
_NAMES = {
    2: "SPARC", 3: "Intel 80386", 8: "MIPS", 20: "PowerPC", 21: "64-bit PowerPC", 22: "S/390", 40: "ARM",
    43: "SPARC V9", 50: "IA-64", 62: "x86-64", 183: "AArch64", 243: "RISC-V", 247: "BPF", 258: "LoongArch",
}  # fmt: skip
_LABELS = {
    "amd64": r"amd64|x86[-_]64|x64",
    "arm64": r"arm64|aarch64|armv8",
    "riscv64": r"riscv64(?:gc)?|rv64(?:gc)?",
    "": r"i[3-6]86|386|x86|ia32|x32|arm(?:v?[5-7][a-z]*|hf|el)?|mips[a-z0-9]*|ppc[a-z0-9]*|powerpc[a-z0-9]*"
    r"|s390x?|sparc[a-z0-9]*|riscv32|loong[a-z0-9]*",
}
_LABEL = re.compile("(?<![a-z0-9])(?:" + "|".join(f"({found})" for found in _LABELS.values()) + ")(?![a-z0-9])")
_LIBRARY = re.compile(r"\.so(\.[0-9]+)*$")


@dataclass(frozen=True, slots=True)
class Elf:
    """One ELF header. `architecture` is None for a machine that no server of ours is; `machine` names it all the same.

    `fixed` is ET_EXEC, always a program; the others are ET_DYN, a program or a library. `interpreter` is whether the
    part that was seen asks for a dynamic linker, as programs do, and `loader` where in the file the path of that is.
    """

    machine: str
    architecture: Architecture | None
    fixed: bool
    interpreter: bool
    loader: range = range(0)


@dataclass(frozen=True, slots=True)
class Binary:
    """An ELF file of a package; `runnable` is its mode x."""

    path: str
    elf: Elf
    runnable: bool

    @property
    def library(self) -> bool:
        """A shared library, rather than a program: named so, or with nothing that says program."""
        named = _LIBRARY.search(self.path.lower()) is not None
        return not self.elf.fixed and (named or not (self.elf.interpreter or self.runnable))

    @property
    def labelled(self) -> bool:
        """Whether the path, by its last word for a machine, says what the header says: bin/arm64/app."""
        groups = [match.lastindex or 0 for match in _LABEL.finditer(self.path.lower())]
        return bool(groups) and list(_LABELS)[groups[-1] - 1] == (self.elf.architecture or "")


def parse(head: bytes) -> Elf | None:
    """The header at the start of a file, of which `head` is the first HEAD_BYTES; None for what is no ELF program or
    library."""
    if len(head) < 52 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2) or head[6] != 1:
        return None
    wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
    kind, machine = struct.unpack_from(order + "HH", head, 16)
    if kind not in (_EXEC, _DYN) or (wide and len(head) < 64):
        return None
    ours = _OURS.get(machine) if wide and order == "<" else None
    loader = _loader(head, wide, order)
    named = ours or _named(machine, wide, order)
    return Elf(named, ours, kind == _EXEC, loader is not None, loader or range(0))


def _named(machine: int, wide: bool, order: str) -> str:
    size, end = "64-bit" if wide else "32-bit", "little-endian" if order == "<" else "big-endian"
    return f"{_NAMES.get(machine, f'unknown machine {machine}')} ({size}, {end})"


def _loader(head: bytes, wide: bool, order: str) -> range | None:
    (offset,) = struct.unpack_from(order + "Q", head, 32) if wide else struct.unpack_from(order + "I", head, 28)
    stride, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    if stride < 32:
        return None
    for start in range(offset, min(offset + stride * count, len(head) - 3), stride):
        if struct.unpack_from(order + "I", head, start)[0] == _PT_INTERP:
            return _part(head[start:], wide, order)
    return None


def _part(segment: bytes, wide: bool, order: str) -> range:
    """Where in the file a segment is, by its entry in the program header; empty where the entry was cut."""
    if len(segment) < (56 if wide else 32):
        return range(0)
    (offset,) = struct.unpack_from(order + "Q", segment, 8) if wide else struct.unpack_from(order + "I", segment, 4)
    (size,) = struct.unpack_from(order + "Q", segment, 32) if wide else struct.unpack_from(order + "I", segment, 16)
    return range(offset, offset + size)


def judge(binaries: Sequence[Binary]) -> tuple[tuple[Architecture, ...], str]:
    """Where a package with these ELF files may run, and how that is known; no architecture when all are for machines
    that no server is.

    Programs decide; libraries do where there is no program. What lies under a path that names its architecture is
    one of several choices, so such ones add up; all others are run everywhere, so those should agree. Where they do
    not, which of them is run isn't known, and any machine that one of them is for may do.
    """
    programs = [binary for binary in binaries if not binary.library]
    judged = programs or list(binaries)
    if not judged:
        return ARCHITECTURES, "no ELF executables: runs anywhere its interpreter does"
    source = f"ELF headers of {_count(len(judged), 'executable' if programs else 'shared library')}"
    everywhere = [binary for binary in judged if not binary.labelled]
    deciding = everywhere or judged
    found = {binary.elf.architecture for binary in deciding}
    architectures = tuple(name for name in ARCHITECTURES if name in found)
    if not architectures:
        source = f"{source}: {_told(deciding)}; servers are {', '.join(ARCHITECTURES)}"
    elif everywhere and len(found) > 1:
        source += f" disagree: {_told(deciding)}; name their folders by architecture, or split the package"
    return architectures, source


def _told(binaries: Sequence[Binary]) -> str:
    """Each machine, with one of its files."""
    example = {binary.elf.machine: binary.path for binary in reversed(binaries)}
    return ", ".join(f"{_short(path)} is for {machine}" for machine, path in sorted(example.items())[:4])


def _short(path: str) -> str:
    shown = path if len(path) <= 60 else f"...{path[-57:]}"
    return shown.encode("utf-8", "backslashreplace").decode()


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
