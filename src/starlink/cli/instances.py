"""The processes of instances on this machine, told by what their agent puts into their environment."""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process of an instance; `env` is its environment."""

    pid: int
    env: Mapping[str, str]

    @property
    def command(self) -> bytes:
        """Its arguments, each with a NUL behind it. Raises OSError when it is gone."""
        return Path(f"/proc/{self.pid}/cmdline").read_bytes()

    def kill(self) -> None:
        """SIGKILL, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def below(folder: Path) -> Sequence[Process]:
    """The processes of the instances that lie below a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            env = _environment(entry)
            if "STARLINK_RUN" in env and env.get("HOME", "").startswith(f"{folder}/"):
                found.append(Process(int(entry.name), env))
    return found


def _environment(process: Path) -> Mapping[str, str]:
    """Empty when the process is gone. One whose first thread has ended has its memory with the others."""
    for place in _places(process):
        with contextlib.suppress(OSError):
            text = (place / "environ").read_text(errors="replace")
            return dict(part.split("=", 1) for part in text.split("\0") if "=" in part)
    return {}


def _places(process: Path) -> Iterator[Path]:
    """Its own directory, and then those of its threads, which go with it at any moment."""
    yield process
    with contextlib.suppress(OSError):
        yield from list((process / "task").iterdir())
