"""Zip: members in the order of the directory, one entry in memory at a time.

zipfile takes the whole directory into memory before it gives the first member, a kilobyte for each of as many as a few
megabytes can list.

https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16
(the ends of the directory), 4.5.3 (zip64).
"""

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from starlink.artifacts.errors import ArtifactError, quoted
from starlink.artifacts.limits import Meter
from starlink.artifacts.member import Kind, Member
from starlink.artifacts.names import parts_of

STORED, DEFLATED = 0, 8
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_MAX_COMMENT = 65535
_FULL, _FULL64 = 0xFFFF, 0xFFFFFFFF
_WITHOUT_MODES = (0, 10, 14)
"""Systems, by the byte of 4.4.2.2, that know no mode x: MS-DOS, NTFS, VFAT."""
_ENCRYPTED, _UTF8 = 0x1, 0x800
_PIECE = 64 * 1024
_DEFAULT_COMMAND = "start.sh"


def ends_as_zip(file: IO[bytes]) -> bool:
    """Whether the end of a zip's directory is where it belongs: at the end of the file."""
    return _end(file) is not None


def members(file: IO[bytes], meter: Meter) -> Iterator[Member]:
    """The members of a zip. Raises as `archive.members` does."""
    for entry in _entries(file, meter):
        parts, kind = parts_of(entry.name, meter.name), entry.kind
        if kind != "file":
            yield Member(parts, kind)
            continue
        meter.add(entry.size)
        if entry.flags & _ENCRYPTED:
            raise _corrupt(entry, meter, "encrypted; pack it without a password")
        if entry.method not in (STORED, DEFLATED):
            raise _corrupt(entry, meter, f"compressed by method {entry.method}; pack it stored (0) or deflated (8)")
        yield Member(parts, kind, entry.size, entry.runnable, read=_Content(file, entry).read)


def _corrupt(entry: "_Entry", meter: Meter, why: str) -> ArtifactError:
    return ArtifactError("ArtifactCorrupt", f"{meter.name} holds {quoted(entry.name)} {why}")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the directory says of a member; `mode` is what Unix would say of it, 0 where the packer knew none."""

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    start: int
    mode: int

    @property
    def runnable(self) -> bool:
        """What a packer without modes can't say is so of what is run by default."""
        return bool(self.mode & 0o111) if self.mode else self.name.rpartition("/")[2] == _DEFAULT_COMMAND

    @property
    def kind(self) -> Kind:
        if self.name.endswith("/"):
            return "directory"
        kinds: dict[int, Kind] = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
        return kinds.get(stat.S_IFMT(self.mode), "other")


def _entries(file: IO[bytes], meter: Meter) -> Iterator[_Entry]:
    end = _end(file)
    if end is None:
        raise ValueError("it has no directory")
    at, stop, before = end
    while at < stop:
        meter.file()
        file.seek(at)
        fields = _ENTRY.unpack(_exactly(file, _ENTRY.size))
        lengths = fields[10:13]
        tail = _exactly(file, sum(lengths))
        at += _ENTRY.size + len(tail)
        if fields[0] != b"PK\x01\x02" or at > stop:
            raise ValueError("its directory has an entry that is none")
        yield _entry(fields, tail[: lengths[0]], tail[lengths[0] : lengths[0] + lengths[1]], before)


def _entry(fields: tuple[int, ...], name: bytes, extra: bytes, before: int) -> _Entry:
    flags, method, crc, packed, size, start = fields[3], fields[4], fields[7], fields[8], fields[9], fields[16]
    size, packed, start = _wide(extra, (size, packed, start))
    mode = fields[15] >> 16
    if fields[1] >> 8 in _WITHOUT_MODES and stat.S_ISREG(mode) and not mode & 0o111:
        mode = 0  # as Python writes it on Windows: who can read and write, and nothing of who can run
    text = name.decode("utf-8" if flags & _UTF8 else "cp437")
    # Some packers of Windows write its separator, against 4.4.17.1.
    return _Entry(name, text.replace("\\", "/"), flags, method, crc, packed, size, start + before, mode)


def _wide(extra: bytes, counts: tuple[int, int, int]) -> Iterator[int]:
    """Size, packed size and start: those that do not fit in 32 bits are in the zip64 field, one behind the other."""
    wide = iter(struct.iter_unpack("<Q", _zip64(extra))) if _FULL64 in counts else iter(())
    for count in counts:
        if count != _FULL64:
            yield count
        elif (found := next(wide, None)) is None:
            raise ValueError("its directory has a zip64 entry without its numbers")
        else:
            yield found[0]


def _zip64(extra: bytes) -> bytes:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            return extra[at + 4 : at + 4 + length // 8 * 8]
        at += 4 + length
    return b""


def _end(file: IO[bytes]) -> tuple[int, int, int] | None:
    """Where the directory starts and ends, and how many bytes lie before the archive; None when there is none."""
    whole = file.seek(0, 2)
    first = file.seek(max(0, whole - _END.size - _MAX_COMMENT))
    tail = file.read(_END.size + _MAX_COMMENT)
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or len(tail) - found < _END.size:
        return None
    end = stop = first + found
    size, offset = _END.unpack_from(tail, found)[5:7]
    if wide := _end64(file, end):
        size, offset, stop = wide
    start = stop - size
    if start < 0 or start - offset < 0:
        return None
    return start, stop, start - offset


def _end64(file: IO[bytes], end: int) -> tuple[int, int, int] | None:
    """Size and offset of the directory, and where it ends, as a zip64 archive says."""
    place = end - _LOCATOR.size - _END64.size
    if place < 0:
        return None
    file.seek(place)
    fields = _END64.unpack(_exactly(file, _END64.size))
    if fields[0] != b"PK\x06\x06" or _exactly(file, 4) != b"PK\x06\x07":
        return None
    return fields[8], fields[9], place


class _Content:
    """The content of a member, held against what the directory says of it."""

    def __init__(self, file: IO[bytes], entry: _Entry) -> None:
        self._file, self._entry = file, entry
        self._engine = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == DEFLATED else None
        self._ahead = b""
        self._left, self._size, self._crc = entry.packed, 0, 0
        self._at = -1

    def read(self, count: int) -> bytes:
        if self._at < 0:
            self._at = self._begin()
        data = self._next(min(count, _PIECE)) if count else b""
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if self._size > self._entry.size or (count and not data and self._told()):
            raise ValueError(f"{quoted(self._entry.name)} is not what the directory says of it")
        return data

    def _told(self) -> bool:
        return (self._size, self._crc) != (self._entry.size, self._entry.crc)

    def _begin(self) -> int:
        """Where the content starts: behind a header of its own, which must not name another member."""
        self._file.seek(self._entry.start)
        fields = _LOCAL.unpack(_exactly(self._file, _LOCAL.size))
        name = _exactly(self._file, fields[9])
        if fields[0] != b"PK\x03\x04" or name != self._entry.raw_name or fields[3] != self._entry.method:
            raise ValueError(f"{quoted(self._entry.name)} has a header that does not agree with the directory")
        return self._entry.start + _LOCAL.size + int(fields[9]) + int(fields[10])

    def _next(self, count: int) -> bytes:
        if self._engine is None:
            return self._stored(count)
        while not self._engine.eof:
            packed = self._ahead or self._stored(_PIECE)
            data = self._engine.decompress(packed, count)
            self._ahead = self._engine.unconsumed_tail
            if data:
                return data
            if not packed:
                raise EOFError(f"{quoted(self._entry.name)} ends too early")
        return b""

    def _stored(self, count: int) -> bytes:
        self._file.seek(self._at)
        data = _exactly(self._file, min(count, self._left))
        self._at += len(data)
        self._left -= len(data)
        return data


def _exactly(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError("it ends too early")
    return data
