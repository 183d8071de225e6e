"""Looking inside a zip or tar, without unpacking it: which architectures it runs on. Blocking.

`python -m starlink.artifacts.inspect` reads a Request from stdin, fetches and looks, and writes an Answer to stdout:
what a stranger sends is read in a process of its own, which ends by itself when its time or memory is used up.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import resource
import signal
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from starlink.api.task import ArtifactFinding
from starlink.api.template import Architecture
from starlink.artifacts import elf, image_index
from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.fetch import download
from starlink.artifacts.guard import Guard
from starlink.artifacts.unpack import DEFAULT_LIMITS, UNREADABLE, Limits, Meter, safe_path

MEMORY_BYTES = 512 * 1024**2

_DIRECTORY_BYTES = 64 * 1024**2  # of a zip
_HEADER_BYTES = 1024**2  # of one member of a tar
_DOCUMENT_BYTES = 1024**2  # of one JSON document of an image layout
_LAYOUT_BYTES = 32 * 1024**2  # of all of them
_XZ_MEMORY = 128 * 1024**2  # xz -9 asks for 65 MiB
_BLOCK = 64 * 1024


def inspect(path: Path, limits: Limits = DEFAULT_LIMITS) -> ArtifactFinding:
    """What is inside the archive at `path`. Raises ArtifactError: ArtifactCorrupt, ArtifactUnsafePath,
    ArtifactTooLarge."""
    try:
        with path.open("rb") as file:
            return examine(file, hashlib.file_digest(file, "sha256").hexdigest(), path.name, limits)
    except OSError as error:
        raise ArtifactError("ArtifactNotFound", f"{path} can't be read: {error.strerror}") from None


def examine(file: IO[bytes], digest: str, name: str, limits: Limits = DEFAULT_LIMITS) -> ArtifactFinding:
    """What is inside the open archive, whose SHA-256 is `digest` and which errors call `name`. Raises as `inspect`."""
    meter = Meter(name, file.seek(0, io.SEEK_END), limits)
    found = _Contents()
    try:
        members = _zipped(file, name, limits, meter) if zipfile.is_zipfile(file) else _taped(file, name, meter)
        for member in members:
            found.see(member)
    except (*UNREADABLE, OSError) as error:
        raise ArtifactError("ArtifactCorrupt", f"{name} is not a readable zip or tar archive: {error}") from None
    except MemoryError:
        raise ArtifactError("ArtifactTooLarge", f"{name} can't be read with the memory there is") from None
    architectures, source = found.judge()
    return ArtifactFinding(digest=digest, architectures=architectures, source=source)


@dataclass(frozen=True, slots=True)
class _Member:
    """A regular file of an archive; `read(count)` gives its first bytes and is called at most once."""

    path: str
    size: int
    runnable: bool
    read: Callable[[int], bytes]


class _Contents:
    """What was seen of an archive: its ELF files, and the documents of an image layout."""

    def __init__(self) -> None:
        self._binaries: list[elf.Binary] = []
        self._documents: dict[str, bytes] = {}
        self._room = _LAYOUT_BYTES

    def see(self, member: _Member) -> None:
        if self._document(member):
            self._documents[member.path] = member.read(member.size)
            self._room -= member.size
        elif header := elf.parse(member.read(min(member.size, elf.HEAD_BYTES))):
            self._binaries.append(elf.Binary(member.path[-4096:], header, member.runnable))

    def _document(self, member: _Member) -> bool:
        named = member.path in ("oci-layout", "index.json") or member.path.startswith("blobs/sha256/")
        return named and member.size <= min(_DOCUMENT_BYTES, self._room)

    def judge(self) -> tuple[tuple[Architecture, ...], str]:
        if not {"oci-layout", "index.json"} <= self._documents.keys():
            return elf.judge(self._binaries)
        blobs = {path.removeprefix("blobs/").replace("/", ":"): blob for path, blob in self._documents.items()}
        return image_index.judge(self._documents["index.json"], blobs)


def _zipped(file: IO[bytes], name: str, limits: Limits, meter: Meter) -> Iterator[_Member]:
    with zipfile.ZipFile(_ZipSource(file, name, limits)) as opened:
        for info in opened.infolist():
            meter.file()
            meter.add(info.file_size)
            path = safe_path(name, info.filename)
            mode = info.external_attr >> 16
            if info.is_dir() or mode & 0o170000 == 0o120000:
                continue
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ArtifactError(
                    "ArtifactCorrupt",
                    f"{name} holds {info.filename[:200]!r} compressed by method {info.compress_type}; "
                    "pack it stored (0) or deflated (8)",
                )
            with opened.open(info) as source:
                yield _Member(path.as_posix(), info.file_size, bool(mode & 0o111), source.read)


class _ZipSource:
    """The archive as zipfile reads it, which takes the directory in one piece, however large."""

    def __init__(self, file: IO[bytes], name: str, limits: Limits) -> None:
        self._file, self._name, self._limits = file, name, limits
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _DIRECTORY_BYTES:
            raise ArtifactError("ArtifactTooLarge", f"{self._name} has a directory of more than {_DIRECTORY_BYTES} B")
        data = self._file.read(size)
        if data.count(b"PK\x01\x02") > self._limits.files:
            raise ArtifactError("ArtifactTooLarge", f"{self._name} holds more than {self._limits.files} files")
        return data


def _taped(file: IO[bytes], name: str, meter: Meter) -> Iterator[_Member]:
    file.seek(0)
    tape = _Tape(_decompressed(file), name, meter)
    with tarfile.open(fileobj=tape, mode="r:") as opened:  # type: ignore[call-overload]
        while (info := _next(opened, tape)) is not None:
            meter.file()
            path = safe_path(name, info.name)
            if info.isreg():
                source = opened.extractfile(info)
                assert source is not None
                tape.allowance = _DOCUMENT_BYTES + _HEADER_BYTES
                yield _Member(path.as_posix(), info.size, bool(info.mode & 0o111), source.read)


def _next(opened: tarfile.TarFile, tape: "_Tape") -> tarfile.TarInfo | None:
    """The next member; tarfile would keep all it has seen, headers too."""
    tape.allowance = _HEADER_BYTES
    member = opened.next()
    opened.members.clear()  # type: ignore[attr-defined]
    opened.pax_headers.clear()  # type: ignore[attr-defined]
    return member


class _Tape:
    """A tar as tarfile reads it: forward only, every byte metered, and no more at once than was allowed."""

    def __init__(self, source: IO[bytes], name: str, meter: Meter) -> None:
        self._source, self._name, self._meter = source, name, meter
        self._position = 0
        self.allowance = _HEADER_BYTES

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self.allowance:
            raise ArtifactError("ArtifactTooLarge", f"{self._name} has a header of more than {_HEADER_BYTES} bytes")
        self.allowance -= size
        return self._take(size)

    def _take(self, size: int) -> bytes:
        data = self._source.read(size)
        self._position += len(data)
        self._meter.add(len(data))
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise tarfile.ReadError("a member begins within the one before it")
        while self._position < position and self._take(min(_BLOCK, position - self._position)):
            pass
        return self._position


def _decompressed(file: IO[bytes]) -> Any:
    """The tar inside a file, by the magic numbers of RFC 1952 (gzip), bzip2 and xz; as it is when it is none."""
    head = file.read(512)
    file.seek(0)
    if head[257:262] == b"ustar":
        return file
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file)
    return io.BufferedReader(_Xz(file)) if head.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")) else file


class _Xz(io.RawIOBase):
    """xz and lzma with a limit of memory, which lzma.LZMAFile does not take."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._engine = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            data = b""
            if self._engine.eof:
                data = self._engine.unused_data or self._source.read(_BLOCK)
                if not data.strip(b"\0"):
                    return 0
                self._engine = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            elif self._engine.needs_input and not (data := self._source.read(_BLOCK)):
                raise EOFError("the compressed data ends too early")
            if out := self._engine.decompress(data, len(buffer)):
                buffer[: len(out)] = out
                return len(out)


@dataclass(frozen=True, slots=True)
class Request:
    """What to fetch and look into, within how many seconds and bytes."""

    url: str
    sha256: str
    allow_local: bool
    seconds: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Either what was found, or why nothing was."""

    finding: ArtifactFinding | None = None
    failure: str = ""


def answer(request: Request) -> Answer:
    """Fetches into a file without a name, which no crash leaves behind, and looks."""
    try:
        with tempfile.TemporaryFile() as file:
            download(request.url, request.sha256, file, Guard(request.allow_local), request.max_bytes)
            return Answer(finding=examine(file, request.sha256, request.url))
    except ArtifactError as error:
        return Answer(failure=f"{error.reason}: {error}")
    except MemoryError:
        return Answer(failure=f"ArtifactTooLarge: {request.url} can't be read with the memory there is")
    except OSError as error:
        return Answer(failure=f"ArtifactUnreachable: {request.url} can't be kept while it is read: {error}")


def main() -> None:
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    for number in (signal.SIGALRM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(request.seconds)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.buffer.write(msgspec.json.encode(answer(request)))


if __name__ == "__main__":
    main()
