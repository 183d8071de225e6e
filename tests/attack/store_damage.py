"""Small stores as a kill left them, and what damage can be done to their files. Used by the tests of store damage."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlink.store import sqlite_schema
from starlink.store.base import Change, Event, Key, Record, StoreRefused
from starlink.store.seal import Plain
from starlink.store.sqlite_file import Durability, SqliteFile

EVERYWHERE = bool(os.environ.get("STARLINK_DAMAGE_EVERYWHERE"))
"""Whether each offset is tried, as `make soak` does, or a part of them."""
PAGE = 512


@dataclass(frozen=True)
class Site:
    """A store that was killed, and what it had acknowledged."""

    database: Path
    records: dict[Key, Record]
    events: Sequence[Event]

    @property
    def wal(self) -> Path:
        return self.database.with_name(self.database.name + "-wal")

    @property
    def mark(self) -> Path:
        return self.database.with_name(self.database.name + ".mark")

    def verdict(self) -> str:
        """What a start does: "whole" when it serves exactly what was acknowledged, else the words of its refusal."""
        try:
            contents = sqlite_schema.load(self.database, Plain())
        except StoreRefused as refusal:
            text = str(refusal)
            assert str(self.database) in text and ("restore a backup" in text or "--data-dir" in text), text
            return text
        assert {record.key: record for record in contents.records} == self.records
        assert list(contents.events) == list(self.events)
        return "whole"


def key(number: int) -> Key:
    return Key("g/things", "ns", f"n{number}")


def killed(folder: Path, checkpointed: int = 4, in_wal: int = 6) -> Site:
    """A store of small pages with some writes in its database and some in its write-ahead log only."""
    origin = folder / "origin" / "s.db"
    origin.parent.mkdir(parents=True)
    sqlite_schema.create(origin)
    with contextlib.closing(sqlite3.connect(origin, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("VACUUM")
    file = SqliteFile(origin, 100, Plain(), Durability.FULL)
    file.open()
    records: dict[Key, Record] = {}
    events: list[Event] = []

    def write(number: int, change: Change = Change.PUT) -> None:
        previous = records.pop(key(number), None)
        body = b'{"number":%d,"x":"%s"}' % (len(events), b"y" * 60) if change is Change.PUT else previous.body  # type: ignore[union-attr]
        event = Event(change, Record(key(number), len(events) + 1, body), previous)
        file.commit([event])
        events.append(event)
        if change is Change.PUT:
            records[key(number)] = event.record

    for number in range(checkpointed):
        write(number)
    assert file._connection is not None
    file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(in_wal - 1):
        write(number % 3 + checkpointed // 2)
    write(1, Change.DELETE)
    site = Site(folder / "s.db", records, events)
    for path in origin.parent.iterdir():  # as they are at this moment: a kill is no more than that
        if not path.name.endswith(("-shm", ".lock")):
            shutil.copy(path, folder / path.name)
    file.close()
    return site


@contextlib.contextmanager
def changed(path: Path, at: int, new: bytes) -> Iterator[None]:
    """The file with other bytes at a place, and then again as it was."""
    with path.open("r+b") as file:
        old = os.pread(file.fileno(), len(new), at)
        os.pwrite(file.fileno(), new, at)
    try:
        yield
    finally:
        with path.open("r+b") as file:
            os.pwrite(file.fileno(), old, at)


@contextlib.contextmanager
def cut(path: Path, length: int) -> Iterator[None]:
    """The file without its end, and then again as it was."""
    content = path.read_bytes()
    os.truncate(path, length)
    try:
        yield
    finally:
        path.write_bytes(content)


def flipped(content: bytes, at: int) -> bytes:
    """The byte there with one bit flipped, another one at each place."""
    return bytes([content[at] ^ (1 << (at * 5 + at // 8) % 8)])
