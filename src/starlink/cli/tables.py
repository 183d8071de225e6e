"""Text in columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rich.cells import cell_len, set_cell_size

from starlink.api import slots
from starlink.api.names import server_hash

T = TypeVar("T")

_FEW = 3
GAP = "  "
_NARROWEST = 12
"""How far a column that has a longer title or longer cells is shortened."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; of two the one with the higher `rank` is the first to be left out, and rank 0 stays. `least` is how far
    it may be shortened: a text further than a name, which is told by all of it."""

    title: str
    rank: int = 0
    least: int = _NARROWEST


@dataclass(frozen=True, slots=True)
class Layout:
    """How wide each column is; 0 for one that is left out. `natural` is how wide its cells are, and `room` what all may
    take, None for any."""

    columns: Sequence[Column]
    natural: Sequence[int]
    widths: Sequence[int]
    room: int | None
    ellipsis: str

    def over(self, lines: Iterable[Sequence[str]]) -> "Layout":
        """That of these lines too."""
        natural = [max((before, *map(cell_len, cells))) for before, *cells in zip(self.natural, *lines, strict=True)]
        widths = natural if self.room is None else _within(natural, self.columns, self.room)
        return replace(self, natural=natural, widths=widths)

    @property
    def left_out(self) -> Sequence[str]:
        """The titles of the columns that do not fit."""
        return [column.title for column, width in zip(self.columns, self.widths, strict=True) if not width]

    def kept(self, line: Sequence[T]) -> Sequence[T]:
        """What a line has in the columns that fit."""
        return [one for one, width in zip(line, self.widths, strict=True) if width]

    def cells(self, line: Sequence[str]) -> list[str]:
        """The cells of a line in the columns that fit, padded, and shortened where there is too little room."""
        fitting = line if self.room is None else map(self._short, line, self.widths)
        return [padded(cell, width) for cell, width in zip(fitting, self.widths, strict=True) if width]

    def _short(self, cell: str, width: int) -> str:
        return shorten(cell, width, self.ellipsis)


def layout(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], room: int | None = None, ellipsis: str = "…"
) -> Layout:
    """The columns within some room: the widest are shortened first, then whole ones left out. Pure."""
    titles = [cell_len(column.title) for column in columns]
    return Layout(columns, titles, titles, room, ellipsis).over(rows)


def _within(natural: Sequence[int], columns: Sequence[Column], width: int) -> list[int]:
    """The widths of the columns in all that many characters; 0 for one that is left out."""
    left_out: set[int] = set()
    while True:
        kept = [number for number in range(len(columns)) if number not in left_out]
        widths = _shrunk([natural[i] for i in kept], [columns[i] for i in kept], width)
        droppable = [number for number in kept if columns[number].rank]
        if sum(widths) + len(GAP) * (len(kept) - 1) <= width:
            return [widths[kept.index(i)] if i in kept else 0 for i in range(len(columns))]
        if not droppable:  # a screen for which nothing is narrow enough
            return [max(width // len(kept) - len(GAP), 1) if i in kept else 0 for i in range(len(columns))]
        left_out.add(max(droppable, key=lambda number: (columns[number].rank, number)))


def _shrunk(natural: Sequence[int], columns: Sequence[Column], width: int) -> list[int]:
    """Takes from the widest that can give, until they fit or none can."""
    widths = list(natural)
    least = [max(column.least, cell_len(column.title)) for column in columns]
    over = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while over > 0:
        giving = [number for number, one in enumerate(widths) if one > least[number]]
        if not giving:
            break
        widths[max(giving, key=lambda number: widths[number])] -= 1
        over -= 1
    return widths


def padded(cell: str, width: int) -> str:
    """The cell with spaces behind it; of Chinese a character is two columns wide."""
    return cell + " " * (width - cell_len(cell))


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """The text in at most that many columns: of words the beginning, of a name the beginning and the end."""
    if cell_len(text) <= width:
        return text
    room = width - len(ellipsis)
    if room < len(ellipsis):
        return set_cell_size(text, width)
    if " " in text:
        return set_cell_size(text, room).rstrip() + ellipsis
    behind = room // 2
    return set_cell_size(text, room - behind) + ellipsis + set_cell_size(text[::-1], behind)[::-1]


def one_line(text: str) -> str:
    """The text without what would move the cursor or break the line: whoever wrote it does not write on the screen."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def aligned(header: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """The lines of a table, each column as wide as its widest cell."""
    rows = list(rows)
    found = layout([Column(title) for title in header], rows)
    return [(indent + GAP.join(found.cells(line))).rstrip() for line in (header, *rows)]


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
