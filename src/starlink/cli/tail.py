"""Logs of instances, read as they grow. A task owns its log and may write it as it likes: without a line's end, without
end, or with holes of terabytes. So it is read by pieces, a long line is cut, and holes are passed over."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from starlink_nodeagent.layout import CURRENT_LOG, older_log

PIECE = 64 * 1024
"""Bytes that are read at once, and the longest line: a longer one is cut into lines of that length or a little more."""
_SAFE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

Line = tuple[bytes, int]
"""With its end, if it is whole, and the place in the file behind it."""


def whole(path: Path) -> Iterator[str]:
    """All lines of a file that grows no more."""
    return (_text(line) for line, _ in _lines(path, 0))


class Tail:
    """The current file of a folder of logs, read once: each line when it is whole.

    The agent rotates by copying the file to `1.log` and cutting it, so that what had not been read of it is there.
    """

    def __init__(self, logs: Path) -> None:
        self._current, self._cut_off = logs / CURRENT_LOG, older_log(logs, 1)
        self._position = 0

    def lines(self) -> Iterator[str]:
        """The lines that have come since, up to where the file ends at the call."""
        if _size(self._current) < self._position:
            for line, _ in _lines(self._cut_off, self._position):
                yield _text(line)
            self._position = 0
        for line, place in _lines(self._current, self._position):
            if line.endswith(b"\n") or len(line) >= PIECE:
                self._position = place
                yield _text(line)

    def rest(self) -> Iterator[str]:
        """The last line, if it is not whole."""
        for line, _ in _lines(self._current, self._position):
            yield _text(line)


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _lines(path: Path, start: int) -> Iterator[Line]:
    """The lines from `start` to the present end of a file; none when it is not there, or no file."""
    with contextlib.suppress(FileNotFoundError), _opened(path) as file:
        about = os.fstat(file)
        if stat.S_ISREG(about.st_mode):
            yield from _cut(_pieces(file, start, about.st_size))


def _cut(pieces: Iterator[Line]) -> Iterator[Line]:
    """Pieces cut at the ends of lines. What is held of an unfinished line is bounded."""
    held, place = b"", 0
    for piece, place in pieces:
        *ended, held = _split(held + piece)
        left = sum(map(len, ended)) + len(held)
        for line in ended:
            left -= len(line)
            yield line, place - left
        if len(held) >= PIECE:
            yield held, place
            held = b""
    if held:
        yield held, place


def _split(text: bytes) -> list[bytes]:
    """Lines with their ends, and what follows the last of them."""
    *ended, rest = text.split(b"\n")
    return [*(line + b"\n" for line in ended), rest]


def _pieces(file: int, start: int, end: int) -> Iterator[Line]:
    """What a file holds from `start` to `end`, each piece with the place behind it."""
    place = start
    while (place := _seek(file, place, os.SEEK_DATA, place, end)) < end:
        hole = _seek(file, place, os.SEEK_HOLE, end, end)
        piece = os.pread(file, min(PIECE, hole - place), place)
        if not piece:
            return
        place += len(piece)
        yield piece, place


def _seek(file: int, place: int, what: int, otherwise: int, end: int) -> int:
    """Where the next data or the next hole begins, at most `end`; `otherwise` where the file system can't tell."""
    try:
        return min(os.lseek(file, place, what), end)
    except OSError as error:
        return end if error.errno == errno.ENXIO else otherwise


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, _SAFE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
