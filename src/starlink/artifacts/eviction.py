"""What leaves the artifact cache: what nobody has used for long, and what is unused longest of too much. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the cache: its name is the archive's digest; `used` is when it was used last, in epoch seconds."""

    name: str
    size: int
    used: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """`size` in bytes of all entries; `age` in seconds without a use."""

    size: int
    age: float


def plan(entries: Iterable[Entry], in_use: Collection[str], now: float, bounds: Bounds) -> list[Entry]:
    """The entries that go, the longest unused first. What is in use stays, and counts."""
    known = sorted(entries, key=lambda entry: (entry.used, entry.name))
    total, going = sum(entry.size for entry in known), []
    for entry in known:
        if entry.name not in in_use and (now - entry.used > bounds.age or total > bounds.size):
            going.append(entry)
            total -= entry.size
    return going
