"""Text in columns."""

from collections.abc import Iterable, Sequence

from starlink.api import slots
from starlink.api.names import server_hash

_FEW = 3


def aligned(header: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """The lines of a table, each column as wide as its widest cell."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))).rstrip()
        for line in lines
    ]


def slot_ranges(names: Iterable[str], server: str = "") -> str:
    """Slots as ranges: `0-41`, `0,3,6-8`; of many ranges the first few and how many slots there are.

    Those of a fixed count stand with the hash of their server, but for that of `server`, which is told beside them.
    """
    numbers: dict[str, list[int]] = {}
    for name in names:
        prefix, number = slots.order(name)
        numbers.setdefault("" if server and prefix == server_hash(server) else prefix, []).append(number)
    ranges = [
        f"{prefix}-{part}" if prefix else part
        for prefix, its in sorted(numbers.items())
        for part in slots.format_ranges(its).split(",")
    ]
    if len(ranges) <= _FEW + 1:
        return ",".join(ranges)
    return f"{','.join(ranges[:_FEW])},... ({sum(map(len, numbers.values()))})"


def some(names: Iterable[str], few: int = 5) -> str:
    """Some names, few in full: `a, b and 4 more`."""
    names = list(names)
    return ", ".join(names[:few]) + (f" and {len(names) - few} more" if len(names) > few else "")
