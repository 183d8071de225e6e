"""One process, as /proc tells of it.

What can't be read is not gone. A process whose first thread has ended goes on with its other threads: its own files say
then that it is a zombie and has no memory, and only those of its threads tell of it. So a process is over when each of
its threads has been seen to be over, and an agent that can open no file raises instead of seeing nobody.

What a process says of itself, its environment and its arguments, is the process's to change and as large as it likes,
so a bounded head of it is read. https://man7.org/linux/man-pages/man5/proc.5.html
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from starlink_nodeagent.failures.shortage import is_agents_lack

RUN_MARKER = "STARLINK_RUN"
"""In the environment of every process of a run, and first in it: `<uid>/<run>`. With the run's user it is how the
agent knows its own."""
_HEAD = 64 * 1024
_MARKER = re.compile(rb"(?:^|\0)" + RUN_MARKER.encode() + rb"=([^\0]{1,64})(?:\0|$)")
"""No marker is longer. One that is does not count as one, so that what a reading keeps is bounded."""
_STATUS = re.compile(rb"^State:\s+(\S).*?^Uid:\s+(\d+)", re.MULTILINE | re.DOTALL)
_OVER = (b"Z", b"X")
_LOOKS = 8
"""At threads that are gone before they can be read: a process that goes on making such is not over."""


def all_pids() -> list[int]:
    """Raises OSError."""
    return _numbers("/proc")


@dataclass(frozen=True, slots=True)
class Seen:
    """The real `user` of a process, and whether it `lives`; else it is a zombie."""

    user: int
    lives: bool


def look_at(pid: int) -> Seen | None:
    """What the kernel says of a process, None when it is gone. Raises OSError when the agent can open no file.

    The owner of its files in /proc would not do: those of a process that can't be dumped are root's.
    """
    found = _STATUS.search(_head(f"/proc/{pid}/status") or b"")
    if found is None:
        return None
    return Seen(int(found[2]), found[1] not in _OVER or _has_living_thread(pid))


def user_of(pid: int) -> int | None:
    """The real user of a living process, else None. Raises OSError."""
    seen = look_at(pid)
    return seen.user if seen is not None and seen.lives else None


def living(user: int) -> Iterator[int]:
    """The living processes whose real user it is. Raises OSError."""
    return (pid for pid in all_pids() if user_of(pid) == user)


def run_of(pid: int) -> str | None:
    """What a process has as its run marker; None without one, or when it can't be read. Raises OSError."""
    found = _MARKER.search(_environ(pid))
    return found[1].decode(errors="replace") if found else None


def environment_of(pid: int) -> dict[str, str]:
    """The head of a process's environment; empty when it is gone or can't be read. Raises OSError."""
    parts = _environ(pid).decode(errors="replace").split("\0")
    return {name: value for name, equals, value in (part.partition("=") for part in parts) if equals}


def arguments_of(pid: int) -> list[bytes]:
    """The head of a process's arguments; empty when it is gone. Raises OSError."""
    heads = (_head(f"{place}/cmdline") for place in _places(pid))
    return next(filter(None, heads), b"").split(b"\0")


def started(pid: int) -> int:
    """When a process was started, in ticks since the machine was; 0 when it is gone. Raises OSError."""
    fields = _stat(f"/proc/{pid}")
    return int(fields[19]) if len(fields) > 19 else 0


def parent_of(pid: int) -> int:
    """The process whose child it is; 0 when it is gone. Raises OSError."""
    fields = _stat(f"/proc/{pid}")
    return int(fields[1]) if len(fields) > 1 else 0


# Threads


def _has_living_thread(pid: int) -> bool:
    for _ in range(_LOOKS):
        states = [_stat(place)[:1] for place in _threads(pid)]
        if any(state and state[0] not in _OVER for state in states):
            return True
        if all(states):
            return False
    return True


def _environ(pid: int) -> bytes:
    """The head of its environment as the first thread with memory has it: all threads have the same memory, and one
    that has ended has none."""
    for place in _places(pid):
        content = _head(f"{place}/environ")
        if content is not None:
            return content
    return b""


def _places(pid: int) -> Iterator[str]:
    yield f"/proc/{pid}"
    yield from _threads(pid)


def _threads(pid: int) -> list[str]:
    """Their directories; none when the process is gone."""
    try:
        return [f"/proc/{pid}/task/{number}" for number in _numbers(f"/proc/{pid}/task")]
    except OSError as error:
        if is_agents_lack(error):
            raise
        return []


# Files


def _stat(place: str) -> list[bytes]:
    """What follows the name in a process's or thread's `stat`, its state first; empty when it is gone."""
    return (_head(f"{place}/stat") or b"").rpartition(b")")[2].split()


def _numbers(directory: str) -> list[int]:
    return [int(name) for name in os.listdir(directory) if name.isdigit()]  # noqa: PTH208


def _head(path: str, most: int = _HEAD) -> bytes | None:
    """The head of a file of /proc, None when it can't be opened: what it tells of is gone, or hidden from the agent.
    Raises OSError when the agent lacks what it takes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if is_agents_lack(error):
            raise
        return None
    content = bytearray()
    try:
        while len(content) < most and (part := os.read(descriptor, most - len(content))):
            content += part
    except OSError as error:
        if is_agents_lack(error):
            raise
    finally:
        os.close(descriptor)
    return bytes(content)
