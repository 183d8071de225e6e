"""What a server may lack for a while: room on a disk, descriptors, memory, processes, a user that is free. Pure.

Such an error says nothing of the instance that met it, so it is waited out: the same step is tried again until it
succeeds. https://man7.org/linux/man-pages/man3/errno.3.html
"""

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlink_nodeagent.failures.failure import NotYet

DISK_FULL, DISK_FAILED, OUT_OF_FILES, OUT_OF_MEMORY = "DiskFull", "DiskFailed", "OutOfFiles", "OutOfMemory"

_REASONS: Mapping[int, str] = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EIO: DISK_FAILED,
    errno.EROFS: DISK_FAILED,
    errno.EMFILE: OUT_OF_FILES,
    errno.ENFILE: OUT_OF_FILES,
    errno.ENOMEM: OUT_OF_MEMORY,
    errno.EAGAIN: OUT_OF_MEMORY,
}
_WORDS: Mapping[str, str] = {
    DISK_FULL: "the disk that holds {place} is full; make room there",
    DISK_FAILED: "the disk that holds {place} can't be written; see to it",
    OUT_OF_FILES: "the agent or its server can open no further file; raise its limit, or end what holds so many",
    OUT_OF_MEMORY: "the server has no memory or no process left to give; end what takes so much",
}


@dataclass(frozen=True, slots=True)
class Shortage:
    """A CamelCase reason for status, and a message a person can act on. `begun`: the instance can have begun."""

    reason: str
    message: str
    begun: bool = True


def shortage_of(error: BaseException, place: Path) -> Shortage | None:
    """What was lacking when `error` was raised, by itself or as what lies behind it; None when it was nothing of the
    kind. `place` is where the agent keeps its instances."""
    if isinstance(error, NotYet):
        return Shortage(error.reason, str(error), begun=False)
    for one in _chain(error):
        reason = _reason(one)
        if reason is not None:
            return Shortage(reason, f"{_WORDS[reason].format(place=place)}; it then goes on by itself ({one})")
    return None


def is_agents_lack(error: OSError) -> bool:
    """Whether the agent has no descriptor or no memory left for what it tried. A want of processes may be the task's
    own doing."""
    return error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def _reason(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):  # the standard library's own words
        return OUT_OF_MEMORY
    return _REASONS.get(error.errno or 0) if isinstance(error, OSError) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised for. A library may tell of a full disk as of a bad archive."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        seen.append(found)
        yield found
        found = found.__cause__ or found.__context__
