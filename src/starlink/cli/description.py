"""What is said of one object: facts, and tables below headings. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from starlink.cli.screen import Screen, Tone
from starlink.cli.tables import GAP, Column, Layout, layout, one_line

_INDENT = "  "
_TEXT = 26
"""How wide the text of a table is at least, unless it is shorter."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table, and how what it tells is."""

    cells: Sequence[str]
    tone: Tone | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and a table. The text of the table's last column may wrap over several lines.

    `otherwise` stands in place of a table without lines, `more` stands below the lines, and `toned` names the columns
    that show the tone.
    """

    heading: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    otherwise: str = ""
    more: str = ""
    toned: Sequence[str] = ()

    def render(self, screen: Screen) -> Sequence[str]:
        """The lines, no wider than the screen; without a heading, the table alone."""
        return [*([screen.title(self.heading)] if self.heading else []), *_table(self, screen)]


@dataclass(frozen=True, slots=True)
class Description:
    """Of an object: its kind and name, how it is in a few words, facts by their names, sections."""

    title: str
    tone: Tone | None
    summary: str
    facts: Mapping[str, str] = field(default_factory=dict)
    sections: Sequence[Section] = ()

    def render(self, screen: Screen) -> str:
        """The text, no wider than the screen."""
        lines = [*self._head(screen), *_facts(self.facts, screen)]
        for section in self.sections:
            if section.lines or section.otherwise:
                lines += ["", *section.render(screen)]
        return "".join(f"{line}\n" for line in lines)

    def _head(self, screen: Screen) -> Sequence[str]:
        head = screen.marked(screen.title(self.title), self.tone)
        return [head, *(screen.paint(line, self.tone) for line in wrapped(self.summary, screen.width, _INDENT))]


def _facts(facts: Mapping[str, str], screen: Screen) -> Sequence[str]:
    told = {name: one_line(value) for name, value in facts.items() if value}
    widest = max(map(len, told), default=0)
    lines = []
    for name, value in told.items():
        before = f"{_INDENT}{name:<{widest}}{GAP}"
        first, *rest = wrapped(value, screen.width, " " * len(before))
        lines += [before + first.strip(), *rest]
    return lines


def _table(section: Section, screen: Screen) -> Sequence[str]:
    if not section.lines:
        return [_INDENT + section.otherwise]
    cells = [[one_line(cell) for cell in line.cells] for line in section.lines]
    before = _INDENT + _mark(None, screen)
    text = min(_TEXT, max(map(cell_len, (section.columns[-1].title, *(line[-1] for line in cells)))))
    room = None if screen.width is None else max(screen.width - len(before) - len(GAP) - text, 1)
    found = layout(section.columns[:-1], [line[:-1] for line in cells], room, screen.ellipsis)
    header = [column.title for column in section.columns]
    lines = [before + screen.title(GAP.join((*found.cells(header[:-1]), header[-1])), "header")]
    for line, its in zip(section.lines, cells, strict=True):
        told = GAP.join(_painted(found, its[:-1], line.tone, section.toned, screen))
        margin = len(before) + sum(width + len(GAP) for width in found.widths if width)
        first, *rest = wrapped(its[-1], screen.width, " " * margin) or [""]
        lines += [f"{_INDENT}{_mark(line.tone, screen)}{told}{GAP}{first.strip()}".rstrip(), *rest]
    return [*lines, *([_INDENT + section.more] if section.more else [])]


def _painted(
    found: Layout, cells: Sequence[str], tone: Tone | None, toned: Sequence[str], screen: Screen
) -> Sequence[str]:
    return [
        screen.paint(cell, tone if column.title in toned else None)
        for column, cell in zip(found.kept(found.columns), found.cells(cells), strict=True)
    ]


def _mark(tone: Tone | None, screen: Screen) -> str:
    if not screen.is_terminal:
        return ""
    return f"{screen.mark(tone)} " if tone else "  "


def wrapped(text: str, width: int | None, indent: str) -> Sequence[str]:
    """The words of a text in lines of at most that many characters, each behind the indent."""
    lines, line = [], ""
    for word in one_line(text).split():
        if line and width is not None and len(indent) + len(line) + 1 + len(word) > width:
            lines.append(indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, indent + line] if line else lines
