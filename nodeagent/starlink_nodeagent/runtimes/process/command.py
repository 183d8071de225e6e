"""What an instance starts, and where: found before it is started, so that what is not there is told by its name.

Asked with the task's rights (rights.of), lest a reason tell what lies where only the agent may look: what is out of
the task's reach is told in the same words as what is not there.
"""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from starlink.api.template import Template
from starlink.artifacts import elf
from starlink.files import regular
from starlink_nodeagent.failures.failure import Failure
from starlink_nodeagent.machine.machine import ARCHITECTURES
from starlink_nodeagent.users import rights

DEFAULT_COMMAND = "./start.sh"
_LONGEST_LINE = 256
"""Linux reads no more of a script's first line. https://man7.org/linux/man-pages/man2/execve.2.html"""
_MOST_INTERPRETERS = 4
"""So many scripts may be each the interpreter of the last; Linux gives up sooner."""
_LONGEST_PATH = 4096
_EMULATORS = Path("/proc/sys/fs/binfmt_misc")
_COMPATIBLE = {
    "amd64": ("Intel 80386 (32-bit, little-endian)", "x86-64 (32-bit, little-endian)"),
    "arm64": ("ARM (32-bit, little-endian)",),
    "riscv64": ("RISC-V (32-bit, little-endian)",),
}
"""What many processors and kernels of an architecture run too, in the words of elf.py."""


def directory_of(template: Template, work: Path) -> Path:
    """Where the command starts: `work`, or workingDir below it. Raises Failure when it is not there."""
    directory = work / template.working_dir
    if not rights.can_enter(directory):
        raise Failure(
            "WorkingDirNotFound",
            f"workingDir {template.working_dir!r} is no directory that the task's user can enter; "
            "write one that the artifact holds",
        )
    return directory


def command_of(template: Template, directory: Path, path: str) -> list[str]:
    """The command with its arguments; a bare name is looked for in `path`, as PATH. Raises Failure when it can't be
    run."""
    command = [*(template.command or (DEFAULT_COMMAND,)), *template.args]
    found = _file(command[0], directory) if "/" in command[0] else _named(command[0], directory, path)
    _check_content(command[0], found, directory, path)
    return command


def _file(name: str, directory: Path) -> Path:
    path = directory / name
    if not rights.is_file(path):
        raise Failure("CommandNotFound", f"{name} is not there; the command is looked for in the instance's directory")
    if not rights.can_run(path):
        raise Failure("CommandNotExecutable", f"{name} is not executable; pack it with its x bit")
    return path


def _named(name: str, directory: Path, path: str) -> Path:
    found = _in_path(name, directory, path)
    if found is None:
        raise Failure("CommandNotFound", f"{name} is not found in PATH ({path}); install it, or give its path")
    return found


def _in_path(name: str, directory: Path, path: str) -> Path | None:
    """A part of PATH that is empty or relative is meant from where the command starts."""
    return next((place for part in path.split(":") if rights.can_run(place := directory / part / name)), None)


def _check_content(name: str, file: Path, directory: Path, path: str, depth: int = 0) -> None:
    """What is no program for this machine, and what the server has no interpreter for, would end with a bare exit code
    each time. What can't be read, or is of neither kind, is left to the system."""
    file = Path(os.path.realpath(file))
    head = regular.read_head(file, elf.HEAD_BYTES) or b""
    header = elf.parse(head)
    if header is not None:
        if _runs_itself(name, header, head):
            _check_loader(name, file, header, directory)
    elif head.startswith(b"#!") and depth < _MOST_INTERPRETERS:
        line = head[2:_LONGEST_LINE].partition(b"\n")[0].decode(errors="replace")
        for part, interpreter in _interpreters(name, line, directory, path):
            _check_content(f"{part} (the interpreter of {name})", interpreter, directory, path, depth + 1)


# Programs


def _runs_itself(name: str, header: elf.Elf, head: bytes) -> bool:
    """Whether the processor runs the program; False where an emulator does. Raises Failure when nothing does."""
    own = ARCHITECTURES.get(platform.machine(), "")
    if header.architecture == own or header.machine in _COMPATIBLE.get(own, ()):
        return True
    if _is_emulated(head):
        return False
    other = header.architecture
    way = f", or write placement.architectures: [{other}]" if other else ""
    raise Failure(
        "WrongArchitecture",
        f"{name} is a program for {header.machine}, and this server is {own}; give an artifact for {own}{way}",
    )


def _is_emulated(head: bytes) -> bool:
    """Whether the system hands files that begin so to an emulator.
    https://docs.kernel.org/admin-guide/binfmt-misc.html"""
    try:
        entries = [entry for entry in _EMULATORS.iterdir() if entry.name not in ("register", "status")]
        return any(_takes(entry.read_text(), head) for entry in entries)
    except OSError:
        return False


def _takes(entry: str, head: bytes) -> bool:
    """Whether a binary format that is registered so takes a file that begins so."""
    said = dict(line.partition(" ")[::2] for line in entry.splitlines())
    try:
        magic, offset = bytes.fromhex(said["magic"]), int(said["offset"])
        mask = bytes.fromhex(said.get("mask", "ff" * len(magic)))
    except (KeyError, ValueError):  # one that goes by a file's name
        return False
    part = head[offset : offset + len(magic)]
    same = (not (had ^ wanted) & bits for had, wanted, bits in zip(part, magic, mask, strict=False))
    return "enabled" in said and len(part) == len(magic) and all(same)


def _check_loader(name: str, file: Path, header: elf.Elf, directory: Path) -> None:
    part = header.loader
    content = regular.read_part(file, part.start, min(len(part), _LONGEST_PATH)) if part else b""
    loader = os.fsdecode((content or b"").partition(b"\0")[0])
    if loader and not rights.can_run(directory / loader):
        raise Failure(
            "InterpreterNotFound",
            f"{name} is a program for the dynamic linker {loader[:100]!r}, which is not there or can't be run; install "
            "the C library that it was built with on the server, or give a program that is linked statically",
        )


# Scripts


def _interpreters(name: str, line: str, directory: Path, path: str) -> Iterator[tuple[str, Path]]:
    """What a script starts, by the names that it gives. `line` is what follows #! in it. Raises Failure for what is not
    there."""
    interpreter, *words = line.strip(" \t").split(maxsplit=1) or [""]
    if line.endswith("\r"):
        raise Failure(
            "InterpreterNotFound",
            f"{name} is a script with line ends of Windows; write it with those of Unix (dos2unix)",
        )
    if interpreter and not rights.can_run(directory / interpreter):
        raise Failure(
            "InterpreterNotFound",
            f"{name} is a script for {interpreter[:100]!r}, which is not there or can't be run; "
            "install it on the server, or correct the script's first line",
        )
    if interpreter:
        yield interpreter, directory / interpreter
    wanted = words[0].strip() if words and interpreter.rpartition("/")[2] == "env" else ""
    if not wanted or wanted.startswith("-") or set(wanted) & set(" \t=/"):
        return
    found = _in_path(wanted, directory, path)
    if found is None:
        raise Failure(
            "InterpreterNotFound",
            f"{name} is a script for {wanted[:100]!r}, which is not found in PATH ({path}); install it on the server",
        )
    yield wanted, found
