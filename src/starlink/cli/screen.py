"""How text looks where it goes: how wide it may be, whether it has colour, and which marks can be shown there."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TextIO

import click


class Tone(Enum):
    """What is said is good, bad, under way, or beside the point."""

    GOOD = ("green", "✓", "+")
    BAD = ("red", "✗", "x")
    UNDER_WAY = ("yellow", "…", "~")
    QUIET = ("bright_black", "-", "-")


_NO_TERMINAL = 80
_PYTHONS_OWN = "C.UTF-8"
"""What Python itself sets as LC_CTYPE where the locale is C or there is none: so it says nothing of the terminal."""


@dataclass(frozen=True, slots=True)
class Screen:
    """`width` is None where lines may be of any length, as in a pipe; marks and colours are for people alone."""

    width: int | None = None
    colour: bool = False
    unicode: bool = True

    @classmethod
    def of(cls, stream: TextIO | None = None, env: Mapping[str, str] = os.environ) -> "Screen":
        """That behind a stream, by default standard output."""
        stream = stream or sys.stdout
        if not stream.isatty():
            return cls()
        plain = bool(env.get("NO_COLOR")) or env.get("TERM") in ("dumb", None)
        width = shutil.get_terminal_size((_NO_TERMINAL, 24)).columns
        return cls(width, not plain, _is_utf8(stream.encoding or "") and speaks_utf8(env))

    @property
    def is_terminal(self) -> bool:
        return self.width is not None

    @property
    def ellipsis(self) -> str:
        return "…" if self.unicode else "..."

    def mark(self, tone: Tone) -> str:
        """The one character for a tone, in its colour."""
        return self.paint(self.plain_mark(tone), tone)

    def plain_mark(self, tone: Tone) -> str:
        """The one character for a tone."""
        return tone.value[1 if self.unicode else 2]

    def marked(self, text: str, tone: Tone | None) -> str:
        """The text behind the mark of a tone, for people."""
        return f"{self.mark(tone)} {text}" if tone and self.is_terminal else text

    def paint(self, text: str, tone: Tone | None) -> str:
        """The text in the colour of a tone, if this screen has any."""
        return click.style(text, fg=tone.value[0]) if self.colour and tone and text.strip() else text

    def title(self, text: str, kind: Literal["heading", "header"] = "heading") -> str:
        """A heading, or the header of a table."""
        style = {"bold": True} if kind == "heading" else {"dim": True}
        return click.style(text, **style) if self.colour else text


NO_SCREEN = Screen()
"""A pipe or a file."""


def speaks_utf8(env: Mapping[str, str]) -> bool:
    """Whether the locale of the environment has UTF-8, by the first of its variables that decides."""
    chosen = env.get("LC_ALL") or env.get("LC_CTYPE", "").replace(_PYTHONS_OWN, "") or env.get("LANG") or ""
    return _is_utf8(chosen)


def _is_utf8(text: str) -> bool:
    return "utf-8" in text.lower() or "utf8" in text.lower()
