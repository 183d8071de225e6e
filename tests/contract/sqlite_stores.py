"""Stores in SQLite, opened for a test or written until they are killed, and what lies on the disk."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.contract.stores import A, take

from starlink.store.base import Event, Key, Record
from starlink.store.keyfile import KeyFile, SealKey
from starlink.store.seal import AesGcmSeal, Plain, Seal
from starlink.store.sqlite import SqliteStore
from starlink.store.sqlite_file import Durability

SECRET = Key("/secrets", "ns", "a")
TEXT, OLDER_TEXT = b"correct horse battery staple", b"an earlier pass phrase"
OLD, NEW = SealKey(b"o" * 32), SealKey(b"n" * 32)

WRITER = """
import asyncio, sys
from pathlib import Path
from starlink.store.base import Key
from starlink.store.sqlite import SqliteStore
from starlink.store.sqlite_file import Durability

async def main():
    store = SqliteStore(Path(sys.argv[1]), durability=Durability(sys.argv[2]))
    await store.open()
    number = 0
    while True:
        record = await store.put(Key("g/things", "ns", str(number)), b"x" * 200, expect=0)
        print(record.revision, flush=True)
        number += 1

asyncio.run(main())
"""

IDLE_WRITER = WRITER.replace("while True:", "while number < int(sys.argv[3]):").replace(
    "\n\nasyncio.run", "\n    await asyncio.Event().wait()\n\nasyncio.run"
)
OPENER = WRITER.replace(
    "    number = 0", "    print('open', flush=True)\n    await asyncio.Event().wait()\n    number = 0"
)


def seal(*keys: SealKey) -> AesGcmSeal:
    """With the new key, unless told otherwise; the first of several seals."""
    return AesGcmSeal(KeyFile(Path("/where/encryption.key"), keys or (NEW,)))


@contextlib.asynccontextmanager
async def opened(
    path: Path,
    *,
    seal: Seal | None = None,
    durability: Durability = Durability.FULL,
    kept: int = 100,
    note: Path | None = None,
) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, kept, seal=seal or Plain(), durability=durability, note=note)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def files(path: Path) -> dict[str, bytes]:
    """What is on the disk; the -shm holds no content and is the index of whoever reads."""
    return {
        entry.name: entry.read_bytes() for entry in sorted(path.parent.iterdir()) if not entry.name.endswith("-shm")
    }


def on_disk(path: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(entry.read_bytes() for entry in path.parent.iterdir() if entry.is_file())


async def events_since(store: SqliteStore, revision: int, count: int) -> list[Event]:
    """The events after a revision, `count` or a few more."""
    return await take(store.watch(None, None, revision), count)


async def write_secrets(store: SqliteStore) -> tuple[Record, Record]:
    """Secrets that are, were and are no more, and what is none; gives one at its two revisions."""
    first = await store.put(SECRET, b'{"data":"%s"}' % OLDER_TEXT, expect=0)
    second = await store.put(SECRET, b'{"data":"%s"}' % TEXT, expect=first.revision)
    gone = await store.put(SECRET._replace(name="gone"), b'{"data":"%s"}' % TEXT, expect=0)
    await store.delete(gone.key, expect=gone.revision)
    await store.put(A, b"no secret at all", expect=0)
    return first, second


def write_and_be_killed(path: Path, durability: Durability, acknowledged: int) -> int:
    """The last revision of a writer that was told of so many, and was killed when it wrote no more: what its log ends
    with is what it was told of last."""
    command = [sys.executable, "-c", IDLE_WRITER, str(path), durability, str(acknowledged)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(acknowledged)]
        os.kill(writer.pid, signal.SIGKILL)
    return int(lines[-1])


def write_until_killed(path: Path, durability: Durability, acknowledged: int) -> int:
    """The last revision that a writer was told before it was killed."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path, durability], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(acknowledged)]
    os.kill(writer.pid, signal.SIGKILL)
    lines += writer.stdout.read().splitlines(keepends=True)
    writer.wait()
    return int([line for line in lines if line.endswith("\n")][-1])
