"""Tar: members one after the other, with bounds on all that a header says.

tarfile reads a header block here, and no more: it would keep every member it has seen, take a long name of any size
into memory, and parse a pax header of 1 MiB in hours and gigabytes (its expressions are quadratic).

https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html (ustar, pax),
https://www.gnu.org/software/tar/manual/html_node/Standard.html (GNU).
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from starlink.artifacts.limits import Meter
from starlink.artifacts.member import Kind, Member
from starlink.artifacts.names import parts_of
from starlink.artifacts.sparse import Region, Sparse, by_gnu, by_pax

BLOCK = 512
_HEADER_BYTES = 1024**2  # of one member, with its pax header, its long names and its map of holes
_PIECE = 64 * 1024
_LENGTH_DIGITS = 10
_KEYS = (b"path", b"linkpath", b"size", *(
    b"GNU.sparse." + word for word in (b"major", b"minor", b"name", b"realsize", b"size", b"map", b"numblocks")
))  # fmt: skip


def members(source: IO[bytes], meter: Meter) -> Iterator[Member]:
    """The members of the tar that `source`, which is never sought in, holds. Raises as `archive.members` does."""
    tape = Tape(source, meter)
    while (header := _header(tape)) is not None:
        meter.file()
        data = Data(tape, header.stored)
        read = data.read if header.regions is None else Sparse(data.read, header.regions, header.size, meter).read
        yield Member(
            parts_of(header.path, meter.name), _kind(header.info), header.size, bool(header.info.mode & 0o111),
            header.target, read,
        )  # fmt: skip
        data.skip()


class Tape:
    """Reads forward only, and meters every byte. `room` is what the present member's headers may still take."""

    def __init__(self, source: IO[bytes], meter: Meter) -> None:
        self._source, self._meter = source, meter
        self.fresh = True
        self.room = _HEADER_BYTES

    def take(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        data = self._source.read(count)
        self._meter.add(len(data))
        self.fresh = False
        return data

    def exactly(self, count: int) -> bytes:
        if len(data := self.take(count)) < count:
            raise EOFError("a member ends too early")
        return data

    def head(self, count: int) -> bytes:
        """So many bytes of a header."""
        self.room -= count
        if self.room < 0:
            raise self._meter.exceeded(f"has a header of more than {_HEADER_BYTES} bytes")
        return self.exactly(count)


class Data:
    """The content of a member as it lies on the tape."""

    def __init__(self, tape: Tape, size: int) -> None:
        self._tape, self._left = tape, size
        self._padding = -size % BLOCK

    def read(self, count: int) -> bytes:
        data = self._tape.exactly(min(count, self._left, _PIECE))
        self._left -= len(data)
        return data

    def skip(self) -> None:
        while self._left:
            self.read(_PIECE)
        self._tape.exactly(self._padding)


@dataclass(slots=True)
class _Header:
    """A header block with what the extension headers before it say. `stored` bytes follow it on the tape, `size`
    bytes come of them; `regions` are where they go, when not all from the start on."""

    info: tarfile.TarInfo
    path: str
    target: str
    stored: int
    size: int
    regions: list[Region] | None = None


@dataclass(slots=True)
class _Said:
    """What extension headers say of the member behind them."""

    path: str | None = None
    target: str | None = None
    pax: dict[str, str] = field(default_factory=dict)


def _header(tape: Tape) -> _Header | None:
    """The next member's; None at the end."""
    tape.room, said = _HEADER_BYTES, _Said()
    while (block := _block(tape)) is not None:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if info.size < 0:
            raise ValueError("a member has a negative size")
        if info.type not in _EXTENSIONS:
            return _joined(info, block, said, tape)
        _hear(info, tape.head(info.size + -info.size % BLOCK)[: info.size], said)
    if said != _Said():
        raise EOFError("a name stands before no member")
    return None


def _block(tape: Tape) -> bytes | None:
    """The next header block; None where the tape or the archive ends: at a block of zeros."""
    tape.room -= BLOCK
    fresh, block = tape.fresh, tape.take(BLOCK)
    ended = not block and not fresh
    return None if ended or (len(block) == BLOCK and not block.strip(b"\0")) else block


_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE,
)  # fmt: skip


def _hear(info: tarfile.TarInfo, content: bytes, said: _Said) -> None:
    """Notes what an extension header says. Global ones are passed over: names and sizes are of one member each."""
    if info.type == tarfile.GNUTYPE_LONGNAME:
        said.path = _text(content.partition(b"\0")[0])
    elif info.type == tarfile.GNUTYPE_LONGLINK:
        said.target = _text(content.partition(b"\0")[0])
    elif info.type != tarfile.XGLTYPE:
        said.pax.update(_records(content))


def _joined(info: tarfile.TarInfo, block: bytes, said: _Said, tape: Tape) -> _Header:
    pax = said.pax
    path = pax.get("GNU.sparse.name") or pax.get("path") or said.path or info.name
    target = pax.get("linkpath") or said.target or info.linkname
    stored = _count(pax["size"]) if "size" in pax else info.size
    if not info.isreg() and info.type in tarfile.SUPPORTED_TYPES:
        stored = 0
    if info.type == tarfile.GNUTYPE_SPARSE:
        regions, size = by_gnu(block, tape.head)
        return _Header(info, path, target, stored, size, regions)
    if not any(key.startswith("GNU.sparse.") for key in pax):
        return _Header(info, path, target, stored, stored)
    if (pax.get("GNU.sparse.major"), pax.get("GNU.sparse.minor")) != ("1", "0"):
        raise ValueError("a sparse member has a version that is not 1.0")
    taken, regions = by_pax(tape.head)
    if taken > stored:
        raise ValueError("a sparse member has a map that is longer than its content")
    return _Header(info, path, target, stored - taken, _count(pax.get("GNU.sparse.realsize", "")), regions)


def _records(content: bytes) -> Iterator[tuple[str, str]]:
    """The records `LENGTH KEY=VALUE\\n` of a pax header; the length counts the record's own bytes."""
    at = 0
    while at < len(content) and content[at]:
        space = content.find(b" ", at, at + _LENGTH_DIGITS)
        length = int(content[at:space]) if space > 0 and content[at:space].isdigit() else 0
        key, equals, value = content[space + 1 : at + length - 1].partition(b"=")
        if not equals or content[at + length - 1 : at + length] != b"\n":
            raise ValueError("a pax header has a record that is none")
        if key in _KEYS:
            yield _text(key), _text(value)
        at += length


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.isreg():
        return "file"
    if info.isdir():
        return "directory"
    if info.islnk():
        return "hard link"
    return "link" if info.issym() else "other"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError("a pax header has a size that is none")
    return int(text)
