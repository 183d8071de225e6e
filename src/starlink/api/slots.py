"""Slots: sets of them as the text of ranges, `0-3,7`, and those of fixed counts per server."""

import re
from collections.abc import Iterable, Iterator, Mapping

from starlink.api.names import server_hash

MOST = 100_000
"""Slots that a Batch may have."""
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


def parse_ranges(text: str) -> frozenset[int]:
    """`0-3,7` → {0, 1, 2, 3, 7}; "" → the empty set. What is no range, and what is beyond the most slots, is passed
    over: a status may hold what anybody wrote there. No slot is counted twice, so that no text costs more than all."""
    read = filter(None, map(_RANGE.fullmatch, text.split(",")))
    found: set[int] = set()
    beyond = 0
    for first, last in sorted({(int(one[1]), int(one[2] or one[1])) for one in read}):
        found.update(range(max(first, beyond), min(last + 1, MOST)))
        beyond = max(beyond, last + 1)
    return frozenset(found)


def format_ranges(slots: Iterable[int]) -> str:
    """The shortest text that `parse_ranges` reads back."""
    ranges: list[list[int]] = []
    for slot in sorted(set(slots)):
        if ranges and ranges[-1][1] == slot - 1:
            ranges[-1][1] = slot
        else:
            ranges.append([slot, slot])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def order(slot: str) -> tuple[str, int]:
    """What slots are sorted by: those of a server together, each by its number. Raises ValueError."""
    server, _, number = slot.rpartition("-")
    return server, int(number)


class FixedSlots(Mapping[str, str]):
    """Slot name → server name for fixed counts: slots `<server hash>-<n>`, n from 0, in the order of the counts.

    Made as it is walked, so that a huge count costs no memory.
    """

    def __init__(self, counts: Iterable[tuple[str, int]]) -> None:
        self._counts = {server_hash(server): (server, count) for server, count in counts}

    def __getitem__(self, slot: str) -> str:
        prefix, _, number = slot.rpartition("-")
        server, count = self._counts[prefix]
        if not number.isdecimal() or str(int(number)) != number or int(number) >= count:
            raise KeyError(slot)
        return server

    def __iter__(self) -> Iterator[str]:
        for prefix, (_, count) in self._counts.items():
            for number in range(count):
                yield f"{prefix}-{number}"

    def __len__(self) -> int:
        return sum(count for _, count in self._counts.values())
