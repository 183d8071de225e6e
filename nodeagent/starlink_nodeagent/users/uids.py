"""Numbers of users that Tasks get: the range, what of it this machine can use, and each Task's choice. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

LARGEST = 2**31 - 1
"""getpriority(2) and kill(2) take a user's number as a signed one.
https://man7.org/linux/man-pages/man2/getpriority.2.html"""
_LARGEST_OF_KERNEL = 2**32 - 2
"""2³² − 1 means "no user". https://man7.org/linux/man-pages/man2/setuid.2.html"""
LEAST_SIZE = 2
_OPTION = "--task-uids"


class BadRange(ValueError):
    """The message names the option, the range, and what would be right."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from `first` to `last`. The first is `spare`: no Task gets it."""

    first: int
    last: int

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last > self.first else str(self.first)

    @property
    def spare(self) -> int:
        """The number that no Task gets: what ends the processes of a Task's user has it (see clearing.py)."""
        return self.first

    @property
    def size(self) -> int:
        """How many Tasks can have one."""
        return self.last - self.first


_SLICE, _SLICES = 65_536, 256
DEFAULTS = (
    *(Range(1_900_000_000 + start, 1_900_000_000 + start + _SLICE - 1) for start in range(0, _SLICES * _SLICE, _SLICE)),
    Range(50_000, 59_999),
)
"""One for each agent of a machine. All but the last are used by nobody: https://systemd.io/UIDS-GIDS/. A container may
have only the numbers below 65,536; of these the last range is above those that distributions give to people and
programs, and below systemd's 61,184 to 65,519."""


@lru_cache(1024)  # each claim on a machine is held against hundreds of ranges
def claimed(text: str) -> Range:
    """The range that an agent claimed as FIRST-LAST, whatever this agent would take; a single number too.
    Raises BadRange."""
    return _parse(text, _LARGEST_OF_KERNEL, least=1)


def parse(text: str) -> Range:
    """The range that FIRST-LAST names. Raises BadRange."""
    return _parse(text, LARGEST)


def _parse(text: str, largest: int, least: int = LEAST_SIZE) -> Range:
    first, _, last = text.partition("-")
    if not (_is_number(first) and _is_number(last)):
        raise BadRange(f"{_OPTION} {text}: write FIRST-LAST, such as {DEFAULTS[0]}")
    found = Range(int(first), int(last))
    if found.first == 0:
        raise BadRange(f"{_OPTION} {text}: 0 is root's number; write a range such as {DEFAULTS[0]}")
    if found.last > largest:
        raise BadRange(f"{_OPTION} {text}: {found.last} is no number that a task can have; the largest is {largest}")
    if found.last - found.first + 1 < least:
        raise BadRange(
            f"{_OPTION} {text}: the agent keeps the first number and each task needs one more; "
            f"write the smaller number first, and at least {LEAST_SIZE} of them"
        )
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST_OF_KERNEL))


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides which numbers can be used. `uid_map` and `gid_map` are the ranges that the agent's user namespace
    has; `known` are numbers that are somebody's, with words for the owner, such as "the user alice"."""

    uid_map: Sequence[Range]
    gid_map: Sequence[Range]
    known: Sequence[tuple[Range, str]] = ()

    def obstacle(self, wanted: Range) -> str:
        """Why the range can't be used, "" when it can."""
        for kind, mapped in (("user", self.uid_map), ("group", self.gid_map)):
            if not any(wanted.first in part and wanted.last in part for part in mapped):
                there = ", ".join(map(str, mapped)) or "none"
                return f"not all of them are {kind}s in the agent's user namespace, which has {there}"
        for numbers, owner in self.known:
            if numbers.first <= wanted.last and wanted.first <= numbers.last:
                return f"{numbers} is {owner}; choose a range without it"
        return ""


def mapped(text: str) -> Sequence[Range]:
    """The numbers that /proc/PID/uid_map or gid_map has inside the namespace: each line is first, outside, count.

    https://man7.org/linux/man-pages/man7/user_namespaces.7.html
    """
    lines = [[int(word) for word in line.split()] for line in text.splitlines()]
    parts = sorted((inside, inside + count - 1) for inside, _, count in lines)
    joined: list[tuple[int, int]] = []
    for first, last in parts:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return [Range(first, last) for first, last in joined]


def subordinate(text: str) -> Sequence[tuple[Range, str]]:
    """Whose numbers /etc/subuid or /etc/subgid gives away: each line is owner:first:count; others are passed over.

    https://man7.org/linux/man-pages/man5/subuid.5.html
    """
    found = []
    for line in text.splitlines():
        owner, _, numbers = line.partition(":")
        first, _, count = numbers.partition(":")
        if _is_number(first) and _is_number(count) and int(count):
            found.append((Range(int(first), int(first) + int(count) - 1), f"given to {owner} by /etc/subuid or subgid"))
    return found


def candidates(wanted: str | None, noted: Range | None, machine: Machine) -> Sequence[Range]:
    """The ranges that can be used, the best first: the one that is wanted, or the one that the agent had before and
    then the default ones. Raises BadRange when there is none."""
    if wanted is not None:
        found = parse(wanted)
        if why := machine.obstacle(found):
            raise BadRange(f"{_OPTION} {wanted}: {why}")
        return [found]
    usual = [noted, *DEFAULTS] if noted in DEFAULTS else DEFAULTS
    usable = [numbers for numbers in usual if numbers is not None and not machine.obstacle(numbers)]
    if not usable:
        why = "; ".join(f"{numbers}: {machine.obstacle(numbers)}" for numbers in (DEFAULTS[0], DEFAULTS[-1]))
        raise BadRange(
            f"no numbers for users of tasks are free ({why}); give {_OPTION} FIRST-LAST, or --task-user NAME"
        )
    return usable


Task = tuple[str, str]
"""Namespace and name."""


def choose(task: Task, numbers: Range, taken: Mapping[int, Task]) -> int | None:
    """The number of a Task: the one that it has already, else the first free one from its hash on; None when all are
    taken by others.

    The hash makes a Task's number the same on each server and after each restart, as long as no other Task came first,
    and an old number comes to another Task as rarely as can be.
    """
    for number, owner in taken.items():
        if owner == task and number in numbers and number != numbers.spare:
            return number
    digest = hashlib.sha256("/".join(task).encode()).digest()
    start = int.from_bytes(digest[:8]) % numbers.size
    for step in range(numbers.size):
        number = numbers.spare + 1 + (start + step) % numbers.size
        if number not in taken:
            return number
    return None
