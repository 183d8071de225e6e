"""The high-water mark: a small file beside a store that says how far it has been written.

A store that has lost its newest writes looks like one that never had them: SQLite takes the first frame of its log
whose checksum is wrong for the end of it (https://www.sqlite.org/walformat.html#walfmt), and a snapshot of etcd is a
whole etcd. Only a word kept elsewhere tells the two apart.

The file has two slots, 4096 bytes apart so that no sector holds both, and they are written in turn: whatever cuts a
write short leaves the other. A slot is one record with a checksum of its own. The mark is written after the store has
made a write durable and before the write is acknowledged, so it is never ahead of a sound store; the newest slot that
is whole counts.

A slot is given to the operating system at once and synced only now and then (`SYNC_SECONDS`), for a sync costs as much
as the commit itself. A kill -9 therefore leaves it exact. After a power cut it may be older, and then tells of the loss
of what is older than it, and not of what came after.
"""

import contextlib
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from starlink.files import durable
from starlink.store.tally import Tally

SYNC_SECONDS = 0.1
IDENTITY_BYTES = 16

MAX_WITNESS = 2048

_MAGIC = b"SLmark1\n"
_MAGIC_OF_WITNESS = b"SLmark2\n"
_RECORD = struct.Struct(f">8sQQQ{IDENTITY_BYTES}s")
_LENGTH = struct.Struct(">H")
_CHECKSUM = struct.Struct(">I")
_SLOT = 4096
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Mark(NamedTuple):
    """The last revision that was acknowledged, and the objects as of it. `identity` is the writer's: of the machine's
    boot, or of the store itself. `witness` is what else the writer can tell its store by, MAX_WITNESS bytes at most."""

    revision: int
    tally: Tally
    identity: bytes
    witness: bytes = b""


class DamagedMark(Exception):
    """Neither slot is whole."""


class HighWater:
    """The mark in `path`, written by one store at a time."""

    def __init__(
        self, path: Path, sync_seconds: float = SYNC_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._sync_seconds = sync_seconds
        self._clock = clock
        self._descriptor = -1
        self._slot = 0
        self._synced_at = 0.0

    def begin(self, mark: Mark) -> None:
        """Makes the file, durably and whole, in the place of one that was there. Raises OSError."""
        self.close()
        slot = _packed(mark).ljust(_SLOT, b"\0")
        durable.replace(self._path, slot + slot)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        self._synced_at = self._clock()

    def raise_to(self, mark: Mark) -> None:
        """Raises OSError; the mark is then what it was."""
        if self._descriptor < 0:
            return
        os.pwrite(self._descriptor, _packed(mark), self._slot * _SLOT)
        self._slot = 1 - self._slot
        now = self._clock()
        if now - self._synced_at >= self._sync_seconds:
            os.fdatasync(self._descriptor)
            self._synced_at = now

    def close(self) -> None:
        """Syncs it, as far as that is possible."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.fdatasync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def read(path: Path) -> Mark | None:
    """The newest mark in the file; None when there is no file. Raises DamagedMark, OSError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    whole = [mark for at in (0, _SLOT) if (mark := _unpacked(content[at : at + _SLOT]))]
    if not whole:
        raise DamagedMark(f"{path} is damaged")
    return max(whole, key=lambda mark: mark.revision)


def this_boot() -> bytes:
    """What tells this run of the machine from every other one; nothing but zeros where that is not known."""
    try:
        return bytes.fromhex(_BOOT.read_text().replace("-", "").strip())[:IDENTITY_BYTES].ljust(IDENTITY_BYTES, b"\0")
    except (OSError, ValueError):
        return bytes(IDENTITY_BYTES)


def _packed(mark: Mark) -> bytes:
    magic = _MAGIC_OF_WITNESS if mark.witness else _MAGIC
    record = _RECORD.pack(magic, mark.revision, *mark.tally, mark.identity)
    if mark.witness:
        record += _LENGTH.pack(len(mark.witness)) + mark.witness
    return record + _CHECKSUM.pack(crc32(record))


def _unpacked(slot: bytes) -> Mark | None:
    length = _RECORD.size
    if slot.startswith(_MAGIC_OF_WITNESS) and len(slot) >= length + _LENGTH.size:
        length += _LENGTH.size + _LENGTH.unpack_from(slot, length)[0]
    elif not slot.startswith(_MAGIC):
        return None
    record, checksum = slot[:length], slot[length : length + _CHECKSUM.size]
    if checksum != _CHECKSUM.pack(crc32(record)):
        return None
    _, revision, objects, total, identity = _RECORD.unpack_from(record)
    return Mark(revision, Tally(objects, total), identity, record[_RECORD.size + _LENGTH.size :])
