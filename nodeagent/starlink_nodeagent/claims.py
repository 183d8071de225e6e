"""Ranges of users' numbers that agents of this machine have: no two agents give the same number to different Tasks.

Each agent writes down which numbers are its own, in a file of its own in a folder of the machine. A claim outlives the
agent: its instances go on running, and their files have those numbers after a reboot too. It holds as long as the
agent lives or has an instance, and is dropped by whoever looks when neither is so.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from starlink.files import durable
from starlink_nodeagent.procfs import started
from starlink_nodeagent.uids import BadRange, Range, claimed

log = logging.getLogger(__name__)

FOLDER = Path("/var/lib/starlink-task-uids")
INSTANCES = "instances"
"""The folder of instances within an agent's data directory."""


class Claim(msgspec.Struct, frozen=True):
    """`ranges` as FIRST-LAST. `pid` and `started` tell the agent that made the claim, as processes.started does."""

    data_dir: str
    ranges: tuple[str, ...]
    pid: int
    started: int

    @property
    def holds(self) -> bool:
        """Whether the agent lives or has an instance. What can't be looked at may have one."""
        if self is _UNREADABLE:
            return True
        try:
            if self.started and started(self.pid) == self.started:
                return True
            return any(entry.is_dir(follow_symlinks=False) for entry in os.scandir(Path(self.data_dir, INSTANCES)))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def overlaps(self, numbers: Range) -> bool:
        """Whether some of the numbers are claimed; one whose ranges can't be read claims all."""
        try:
            mine = [claimed(text) for text in self.ranges]
        except BadRange:
            return True
        return any(one.first <= numbers.last and numbers.first <= one.last for one in mine)


_UNREADABLE = Claim("", ("",), 0, 0)
"""In the place of a claim that can't be read: it holds, and claims everything."""


def take(numbers: Range, data_dir: Path) -> bool:
    """Whether the range is this agent's from now on, beside those that its instances have; False when another agent of
    this machine has some of it. Where nothing can be written down the agent goes on without."""
    try:
        with _locked():
            if _others(numbers, data_dir):
                return False
            _write(numbers, data_dir)
    except OSError as error:
        log.warning("other agents of this machine can't be told which users' numbers this one has: %s", error)
    return True


def holder(numbers: Range, data_dir: Path) -> str:
    """The data directory of another agent that has some of the range; "" when there is none, or nobody can tell."""
    with contextlib.suppress(OSError), _locked():
        return next((claim.data_dir for claim in _others(numbers, data_dir)), "")
    return ""


def own(data_dir: Path) -> tuple[Range, ...]:
    """The ranges that the agent of a data directory has claimed, in this start or in earlier ones."""
    path = _path(data_dir)
    claim = _read(path) if path.exists() else _UNREADABLE
    with contextlib.suppress(BadRange):
        return tuple(claimed(text) for text in claim.ranges)
    return ()


def _others(numbers: Range, data_dir: Path) -> Sequence[Claim]:
    """Claims of other agents to some of the range. One that no longer holds is removed."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        claim = _read(path)
        if claim.data_dir == str(data_dir) or not claim.overlaps(numbers):
            continue
        if claim.holds:
            found.append(claim)
        else:
            with contextlib.suppress(OSError):  # the others are asked all the same
                path.unlink(missing_ok=True)
    return found


def _write(numbers: Range, data_dir: Path) -> None:
    path = _path(data_dir)
    before = _read(path) if path.exists() else None
    kept = before.ranges if before is not None and before.holds else ()
    ranges = tuple(dict.fromkeys((*kept, str(numbers))))
    claim = Claim(str(data_dir), ranges, os.getpid(), started(os.getpid()))
    if claim != before:
        durable.replace(path, msgspec.json.encode(claim))


def _path(data_dir: Path) -> Path:
    return FOLDER / f"{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:32]}.json"


def _read(path: Path) -> Claim:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Claim)
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("a claim to users' numbers can't be read; remove it if its agent is gone: %s: %s", path, error)
        return _UNREADABLE


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(FOLDER / "lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
