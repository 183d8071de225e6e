"""The processes of a standalone StarLink, as `up` wrote them down, and how the kernel says that each is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UP, APISERVER, OPERATOR, _AGENT = "up", "apiserver", "operator", "agent"
_STOPPED = "T"
"""The state of a process that a signal has stopped (proc_pid_status(5))."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process of StarLink: its memory in MB, 0 when it does not run, whether a signal has stopped it, and of an agent
    its server's name."""

    name: str
    pid: int | None
    memory: int
    stopped: bool = False
    server: str = ""


def of_state(state: Mapping[str, Any], proc: Path = Path("/proc")) -> Sequence[Part]:
    """Those that `up` wrote of, itself first."""
    named = {UP: state["pid"], **state.get("children", {})}
    return [Part(name, pid, *_found(proc / f"{pid}"), _server(name, state)) for name, pid in named.items()]


def is_launcher(pid: int) -> bool:
    """Whether the process is a `starlink up`, and not another that got its number."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"up" in words or b"demo" in words


def _server(name: str, state: Mapping[str, Any]) -> str:
    """Whose agent a part is, "" for none's: of several agents the first has the name of the part alone."""
    if name == _AGENT:
        return str(state.get("server", ""))
    return name.removeprefix(f"{_AGENT}-") if name.startswith(f"{_AGENT}-") else ""


def _found(process: Path) -> tuple[int, bool]:
    """Its memory, and whether it is stopped. What has ended has no memory, also while it still has its number."""
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0, False
    told = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return int(told.get("VmRSS", ["0"])[0]) // 1024, told.get("State", [""])[:1] == [_STOPPED]
