"""A line that says how it stands: rewritten in place on a terminal, written anew as often as it changes elsewhere."""

from collections.abc import Callable
from typing import TextIO

from starlink.cli.screen import Screen, Tone
from starlink.cli.tables import shorten

_CLEAR = "\r\x1b[K"


class LiveLine:
    """One such line. `screen` gives how wide the terminal is now, and its marks."""

    def __init__(self, out: TextIO, screen: Callable[[TextIO], Screen] = Screen.of) -> None:
        self._out, self._screen = out, screen
        self._shown = ""

    def say(self, text: str) -> None:
        """How it stands now."""
        if text == self._shown:
            return
        self._shown, screen = text, self._screen(self._out)
        if screen.width is None:
            self._write(f"{text}\n")
        else:
            told = shorten(f"{screen.plain_mark(Tone.UNDER_WAY)} {text}", screen.width - 1, screen.ellipsis)
            self._write(_CLEAR + screen.paint(told, Tone.UNDER_WAY))

    def leave(self, text: str, tone: Tone | None = None) -> None:
        """A line that stays, above what is said next."""
        self.clear()
        self._write(f"{self._screen(self._out).marked(text, tone)}\n")

    def clear(self) -> None:
        """Takes the line away where it could be rewritten."""
        if self._shown and self._screen(self._out).is_terminal:
            self._write(_CLEAR)
            self._shown = ""

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
