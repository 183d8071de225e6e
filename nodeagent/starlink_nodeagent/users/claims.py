"""Ranges of users' numbers that agents of this machine have: no two agents give the same number to different Tasks.

Each agent writes down which numbers are its own, in a file of its own in a folder of the machine. A claim outlives the
agent: its instances go on running, and their files have those numbers after a reboot too. It holds as long as the
agent lives or has an instance, and is dropped by whoever looks when neither is so.
"""

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from starlink.files import durable, lock
from starlink_nodeagent.layout import INSTANCES, WORK
from starlink_nodeagent.processes.procfs import all_pids, look_at, started
from starlink_nodeagent.users.uids import BadRange, Range, claimed
from starlink_nodeagent.users.user import is_known

log = logging.getLogger(__name__)

FOLDER = Path("/var/lib/starlink-task-uids")
_RANGE = re.compile(rb'"(\d{1,10}-\d{1,10})"')


class Claim(msgspec.Struct, frozen=True):
    """`ranges` as FIRST-LAST. `pid` and `started` tell the agent that made the claim, as procfs.started does.
    `damaged`: it could not be read whole, and `ranges` are those that could be made out."""

    data_dir: str
    ranges: tuple[str, ...]
    pid: int
    started: int
    damaged: bool = False

    @property
    def holds(self) -> bool:
        """Whether the agent lives, has an instance, or something runs as one of the numbers. What can't be looked at
        may have one."""
        if self.damaged:
            return True
        try:
            if self.started and started(self.pid) == self.started:
                return True
            if any(entry.is_dir(follow_symlinks=False) for entry in os.scandir(Path(self.data_dir, INSTANCES))):
                return True
        except (FileNotFoundError, NotADirectoryError):
            return _is_used(self.numbers)
        except OSError:
            return True
        return False

    @property
    def numbers(self) -> tuple[Range, ...]:
        """The ranges that can be read."""
        found = []
        for text in self.ranges:
            with contextlib.suppress(BadRange):
                found.append(claimed(text))
        return tuple(found)

    def overlaps(self, wanted: Range) -> bool:
        """Whether some of the numbers are claimed. A damaged claim of which no range can be made out may be to all as
        which something runs."""
        if self.damaged and not self.numbers:
            return _is_used((wanted,))
        return any(one.first <= wanted.last and wanted.first <= one.last for one in self.numbers)


def take(wanted: Sequence[Range], data_dir: Path) -> Range | None:
    """The first of the ranges of which no other agent of this machine has some; it is this agent's from now on, beside
    those that its instances have. Where nothing can be written down the agent goes on without."""
    numbers = wanted[0]
    try:
        with _locked():
            others = tuple(_claims_of_others(data_dir))  # read once: the ranges are hundreds, and so may the claims be
            for numbers in wanted:
                if not _overlapping(numbers, others):
                    _write(numbers, data_dir, others)
                    return numbers
            return None
    except OSError as error:
        log.warning("other agents of this machine can't be told which users' numbers this one has: %s", error)
    return numbers


def holder(numbers: Range, data_dir: Path) -> str:
    """The data directory of another agent that has some of the range, or the folder of claims where that can't be read;
    "" when there is none, or nobody can tell."""
    with contextlib.suppress(OSError), _locked():
        return next(
            (
                claim.data_dir or f"a damaged claim in {FOLDER}"
                for claim in _overlapping(numbers, _claims_of_others(data_dir))
            ),
            "",
        )
    return ""


def own(data_dir: Path) -> tuple[Range, ...]:
    """The ranges that the agent of a data directory has claimed, in this start or in earlier ones; where its claim was
    damaged or lost, the numbers that its instances' files have."""
    path = _path(data_dir)
    claim = _read(path) if path.exists() else None
    kept = claim.numbers if claim is not None else ()
    if claim is not None and not claim.damaged:
        return kept
    return (*kept, *_of_files(data_dir, kept))


def foreign(data_dir: Path) -> tuple[Range, ...]:
    """The ranges that other agents of this machine have claimed."""
    with contextlib.suppress(OSError), _locked():
        return tuple(_foreign(_claims_of_others(data_dir)))
    return ()


def _overlapping(numbers: Range, claims: Iterable[Claim]) -> Sequence[Claim]:
    """Those of the claims that hold, and are to some of the range."""
    return [claim for claim in claims if claim.overlaps(numbers) and _keeps(claim)]


def _keeps(claim: Claim) -> bool:
    """Whether a claim holds. One that no longer does is removed."""
    if claim.holds:
        return True
    with contextlib.suppress(OSError):  # the others are asked all the same
        _path(Path(claim.data_dir)).unlink(missing_ok=True)
    return False


def _claims_of_others(data_dir: Path) -> Iterator[Claim]:
    return (_read(path) for path in sorted(FOLDER.glob("*.json")) if path != _path(data_dir))


def _write(numbers: Range, data_dir: Path, others: Iterable[Claim]) -> None:
    """Beside the range it claims what the agent had before, and what its instances' files have."""
    path = _path(data_dir)
    before = _read(path) if path.exists() else None
    kept = before.numbers if before is not None and before.holds else ()
    files = _of_files(data_dir, (numbers, *kept, *_foreign(others)))
    ranges = tuple(dict.fromkeys(f"{one.first}-{one.last}" for one in (*kept, numbers, *files)))
    claim = Claim(str(data_dir), ranges, os.getpid(), started(os.getpid()))
    if claim != before:
        durable.replace(path, msgspec.json.encode(claim))


def _foreign(claims: Iterable[Claim]) -> Iterator[Range]:
    return (numbers for claim in claims if _keeps(claim) for numbers in claim.numbers)


def _of_files(data_dir: Path, but: Sequence[Range]) -> Sequence[Range]:
    """The numbers to which instances' directories were given, other than those in `but` and those of users that the
    machine has names for."""
    owners = set[int]()
    for work in Path(data_dir, INSTANCES).glob(f"*/{WORK}"):
        with contextlib.suppress(OSError):
            owners.add(work.lstat().st_uid)
    left = sorted(uid for uid in owners if not any(uid in numbers for numbers in but))
    return [Range(uid, uid) for uid in left if not is_known(uid)]


def _is_used(ranges: Sequence[Range]) -> bool:
    """Whether something runs as one of the numbers. Raises OSError."""
    seen = (one.user for one in map(look_at, all_pids()) if one is not None and one.lives)
    return any(uid in numbers for uid in seen for numbers in ranges)


def _path(data_dir: Path) -> Path:
    return FOLDER / f"{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:32]}.json"


def _read(path: Path) -> Claim:
    """The claim in a file; what can be made out of it where it is damaged."""
    content = b""
    try:
        content = path.read_bytes()
        return msgspec.json.decode(content, type=Claim)
    except (OSError, msgspec.MsgspecError) as error:
        found = tuple(text.decode() for text in _RANGE.findall(content))
        what = f"it counts as one to {', '.join(found)}" if found else "it counts as one to what runs"
        log.warning(
            "the claim to users' numbers in %s can't be read (%s): %s; its agent writes it anew when it starts, so "
            "remove the file if that is gone", path, error, what,
        )  # fmt: skip
        return Claim("", found, 0, 0, damaged=True)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.held(FOLDER / "lock"):
        yield
