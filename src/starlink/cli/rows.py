"""A Table of the API as text. Pure but for the layout, which is kept so that the rows of a watch line up."""

from collections.abc import Sequence
from typing import Any

from starlink.cli import tones
from starlink.cli.screen import Screen, Tone
from starlink.cli.tables import GAP, Column, Layout, layout, one_line

Obj = dict[str, Any]
WIDEST = 200
"""Of a wide table."""
_TOLD = frozenset({"PHASE", "STATUS", "READY", "REASON"})
"""The columns that are coloured: they say how the object is."""
_KEPT = {"NAME": 24, "OBJECT": 24, "MESSAGE": 24}
"""The columns that are never left out, and how far they are shortened."""
DELETED = "deleted"
_NOTHING = "<none>"


class Rows:
    """The rows of one kind, as a screen shows them."""

    def __init__(self, columns: Sequence[Obj], screen: Screen, *, wide: bool = False, namespaces: bool = False) -> None:
        self._shown = [i for i, column in enumerate(columns) if wide or not column.get("priority")]
        self._namespaces = [Column("NAMESPACE", 0)] if namespaces else []
        self._columns = [*self._namespaces, *(_column(columns[i]) for i in self._shown)]
        self._screen = screen
        self._wide = wide
        self._layout: Layout | None = None

    @property
    def left_out(self) -> Sequence[str]:
        """The columns that do not fit."""
        return self._layout.left_out if self._layout else ()

    def render(self, rows: Sequence[Obj], *, deleted: bool = False) -> str:
        """The lines of some rows, below a header when there was none yet, or when they take more room than before."""
        cells = [self._cells(row, deleted) for row in rows]
        before, found = self._layout, (self._layout or self._empty()).over(cells)
        anew = before is None or (self._screen.is_terminal and found.widths != before.widths)
        self._layout = found if anew or before is None else before
        lines = [self._header(self._layout)] if anew else []
        told = [Tone.QUIET if deleted else tones.of(row.get("object") or {}) for row in rows]
        lines += [self._line(self._layout, line, tone) for line, tone in zip(cells, told, strict=True)]
        return "".join(f"{line}\n" for line in lines)

    def _empty(self) -> Layout:
        if self._screen.width is None:
            room = WIDEST if self._wide else None
        else:
            room = min(self._screen.width, WIDEST) - len(self._mark(None))
        return layout(self._columns, (), room, self._screen.ellipsis)

    def _cells(self, row: Obj, deleted: bool) -> list[str]:
        cells = [_text(row["cells"][i]) for i in self._shown]
        if self._namespaces:
            cells.insert(0, str(row["object"]["metadata"].get("namespace", "")))
        if deleted:
            cells[-1] = DELETED
        return cells

    def _header(self, found: Layout) -> str:
        titles = found.cells([column.title for column in self._columns])
        return self._mark(None) + self._screen.title(GAP.join(titles).rstrip(), "header")

    def _line(self, found: Layout, line: Sequence[str], tone: Tone | None) -> str:
        kept = found.kept(self._columns)
        painted = [
            self._screen.paint(cell, tone if column.title in _TOLD else None)
            for column, cell in zip(kept, found.cells(line), strict=True)
        ]
        return (self._mark(tone) + GAP.join(painted)).rstrip()

    def _mark(self, tone: Tone | None) -> str:
        """Before each row on a terminal; a program that reads the rows finds the name first."""
        if not self._screen.is_terminal:
            return ""
        return f"{self._screen.mark(tone)} " if tone else "  "


def _column(definition: Obj) -> Column:
    title = str(definition["name"]).upper()
    if title in _KEPT:
        return Column(title, 0, _KEPT[title])
    if title in _TOLD and title != "REASON":
        return Column(title, 1)
    return Column(title, 3 if definition.get("priority") else 2)


def _text(cell: Any) -> str:
    if cell is None:
        return _NOTHING
    return str(cell).lower() if isinstance(cell, bool) else one_line(str(cell))
