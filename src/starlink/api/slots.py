"""Sets of slots as the text of ranges: `0-3,7`."""

from collections.abc import Iterable


def parse_ranges(text: str) -> frozenset[int]:
    """`0-3,7` → {0, 1, 2, 3, 7}; "" → the empty set. Raises ValueError."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
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
