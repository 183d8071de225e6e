"""A line that says how it stands: rewritten in place on a terminal, written anew as often as it changes elsewhere."""

import shutil
from collections.abc import Callable
from typing import TextIO

_CLEAR = "\r\x1b[K"


def one_line(text: str) -> str:
    """The text without line ends and what else moves a terminal's cursor."""
    return "".join(one if one.isprintable() else " " for one in text)


class LiveLine:
    """One such line. `columns` gives the terminal's width."""

    def __init__(self, out: TextIO, columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns) -> None:
        self._out, self._columns = out, columns
        self._rewrites = out.isatty()
        self._shown = ""

    def say(self, text: str) -> None:
        """How it stands now."""
        if text == self._shown:
            return
        self._shown = text
        self._write(f"{_CLEAR}{_cut(text, self._columns() - 1)}" if self._rewrites else f"{text}\n")

    def leave(self, text: str) -> None:
        """A line that stays, above what is said next."""
        self.clear()
        self._write(f"{text}\n")

    def clear(self) -> None:
        """Takes the line away where it could be rewritten."""
        if self._rewrites and self._shown:
            self._write(_CLEAR)
        self._shown = "" if self._rewrites else self._shown

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
