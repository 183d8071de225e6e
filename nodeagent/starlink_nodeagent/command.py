"""What an instance starts, and where: found before it is started, so that what is not there is told by its name.

Asked with the task's rights (rights.of), lest a reason tell what lies where only the agent may look: what is out of
the task's reach is told in the same words as what is not there.
"""

import os
import platform
from pathlib import Path

from starlink.api.template import Template
from starlink.artifacts import elf
from starlink.files import regular
from starlink_nodeagent import rights
from starlink_nodeagent.failure import Failure
from starlink_nodeagent.machine import ARCHITECTURES

DEFAULT_COMMAND = "./start.sh"
_LONGEST_LINE = 256
"""Linux reads no more of a script's first line. https://man7.org/linux/man-pages/man2/execve.2.html"""
_EMULATORS = Path("/proc/sys/fs/binfmt_misc")


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


def _check_content(name: str, file: Path, directory: Path, path: str) -> None:
    """What is no program for this machine, and a script without its interpreter, would end with a bare exit code each
    time. What can't be read, or is of neither kind, is left to the system."""
    head = regular.read_head(Path(os.path.realpath(file)), elf.HEAD_BYTES) or b""
    header = elf.parse(head)
    if header is not None:
        _check_machine(name, header)
    elif head.startswith(b"#!"):
        _check_interpreter(name, head[2:_LONGEST_LINE].partition(b"\n")[0].decode(errors="replace"), directory, path)


def _check_machine(name: str, header: elf.Elf) -> None:
    own = ARCHITECTURES.get(platform.machine())
    if header.architecture not in (None, own) and not _runs_others():
        raise Failure(
            "WrongArchitecture",
            f"{name} is a program for {header.architecture}, and this server is {own}; give an artifact for {own}, or "
            f"write placement.architectures: [{header.architecture}]",
        )


def _runs_others() -> bool:
    """Whether the system hands files of some kind to an emulator.
    https://docs.kernel.org/admin-guide/binfmt-misc.html"""
    try:
        return any(entry.name not in ("register", "status") for entry in _EMULATORS.iterdir())
    except OSError:
        return False


def _check_interpreter(name: str, line: str, directory: Path, path: str) -> None:
    """`line` is what follows #! in a script."""
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
    wanted = words[0].strip() if words and interpreter.rpartition("/")[2] == "env" else ""
    if wanted and not set(wanted) & set(" \t-=/") and _in_path(wanted, directory, path) is None:
        raise Failure(
            "InterpreterNotFound",
            f"{name} is a script for {wanted[:100]!r}, which is not found in PATH ({path}); install it on the server",
        )
