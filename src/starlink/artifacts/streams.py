"""Decompression with bounds: of output at once, of memory, and of streams that hold nothing.

The file objects of the standard library take what comes: a gzip header of any length, xz with a dictionary of 4 GiB.
Here an engine is fed a block at a time and gives no more than was asked for. Other threads run while it works.
"""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any, Protocol

_BLOCK = 64 * 1024
_XZ_MEMORY = 80 * 1024**2  # xz -9 asks for 65 MiB
_MAX_EMPTY = 1000
_GZIP = 16 + zlib.MAX_WBITS


class _Engine(Protocol):
    """What bz2 and lzma call a decompressor."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def decompressed(file: IO[bytes]) -> IO[bytes]:
    """The content of a gzip, bzip2, xz or lzma file, by its magic number; the file as it is when it is none."""
    file.seek(0)
    engine = _engine(file.read(6))
    file.seek(0)
    return io.BufferedReader(_Stream(file, engine), _BLOCK) if engine else file


def _engine(head: bytes) -> Callable[[], _Engine] | None:
    """RFC 1952 2.3.1 (gzip), https://tukaani.org/xz/xz-file-format.txt 2.1.1.1 (xz)."""
    if head.startswith(b"\x1f\x8b"):
        return _Gzip
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor
    if head.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    return None


class _Gzip:
    """zlib's decompressor with the interface of the other two."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def needs_input(self) -> bool:
        return not self._engine.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._engine.decompress(self._engine.unconsumed_tail + data, max_length)


class _Stream(io.RawIOBase):
    """The streams of a compressed file, one behind the other; zeros may follow each."""

    def __init__(self, source: IO[bytes], engine: Callable[[], _Engine]) -> None:
        self._source, self._make = source, engine
        self._engine = engine()
        self._gave, self._empty = False, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            data = b""
            if self._engine.eof:
                if not (data := self._rest()):
                    return 0
                self._renew()
            elif self._engine.needs_input and not (data := self._source.read(_BLOCK)):
                raise EOFError("the compressed data ends too early")
            if out := self._engine.decompress(data, len(buffer)):
                buffer[: len(out)] = out
                self._gave = True
                return len(out)

    def _rest(self) -> bytes:
        """What follows the stream that has ended: the start of the next one, b"" when there is none."""
        data = self._engine.unused_data.lstrip(b"\0")
        while not data and (block := self._source.read(_BLOCK)):
            data = block.lstrip(b"\0")
        return data

    def _renew(self) -> None:
        # Each stream copies what is left of its block, so that millions of empty ones would take hours.
        self._empty += not self._gave
        if self._empty > _MAX_EMPTY:
            raise EOFError(f"the compressed data has more than {_MAX_EMPTY} streams that hold nothing")
        self._gave, self._engine = False, self._make()
