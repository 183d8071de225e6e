"""A store's objects taken out and put into another one, whichever the two are.

A copy is of objects alone: the log is of no use to anybody, for no client may resume across a copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlink.store import sqlite_schema
from starlink.store.base import REVISION_STEP, Record, StoreRefused
from starlink.store.seal import AsStored

WRITES_A_SECOND = 100_000
"""More than any store takes."""


@dataclass(frozen=True, slots=True)
class StoreCopy:
    """All objects as of `revision`; bodies are as they are stored, sealed where the store seals."""

    records: Sequence[Record]
    revision: int

    def next_life(self, elapsed: float) -> int:
        """The revision that a store restored from this, `elapsed` seconds old, goes on after.

        It is above all that was told since: of the store itself, and of one that was restored from this before.
        """
        return self.revision + REVISION_STEP + int(max(0.0, elapsed)) * WRITES_A_SECOND


def of_sqlite(path: Path) -> StoreCopy:
    """What a database holds, whether a store has it open or not; neither waits for the other.

    Raises StoreRefused when there is none or it is not sound.
    """
    if sqlite_schema.is_absent(path):
        raise StoreRefused(f"{path} is not there; give the --data-dir of a StarLink that has been up")
    contents = sqlite_schema.load(path, AsStored())
    return StoreCopy(sorted(contents.records, key=lambda record: record.key), contents.revision)


def into_sqlite(path: Path, snapshot: StoreCopy) -> None:
    """Makes a database of it, which must not be there yet. Raises StoreRefused, sqlite3.Error, OSError."""
    if not sqlite_schema.is_absent(path):
        raise StoreRefused(f"{path} is there already; a backup is restored into an empty store")
    sqlite_schema.create(path, snapshot.records, snapshot.revision)
