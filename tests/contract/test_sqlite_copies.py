"""Copies of a SQLite store: of one moment, and stores made from them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.sqlite_stores import TEXT, WRITER, opened, seal, write_secrets
from tests.contract.stores import B

from starlink.store import backup, sqlite_schema
from starlink.store.backup import StoreCopy
from starlink.store.base import REVISION_STEP, Expired, StoreRefused
from starlink.store.seal import AsStored


async def test_a_copy_of_a_store_that_is_written_is_of_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path, "full"], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    try:
        told = int([writer.stdout.readline() for _ in range(20)][-1])
        for _ in range(5):
            copy = backup.of_sqlite(path)
            assert copy.revision >= told
            assert sorted(record.revision for record in copy.records) == list(range(1, copy.revision + 1))
            told = copy.revision
            writer.stdout.readline()
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()


async def test_a_store_made_from_a_copy_goes_on_far_above(tmp_path: Path) -> None:
    path, other = tmp_path / "s.db", tmp_path / "new" / "s.db"
    async with opened(path, seal=seal()) as store:
        await write_secrets(store)
        copy = backup.of_sqlite(path)
        records, revision = {r for k in store.resources() for r in store.list(k)}, store.revision
    assert copy.revision == revision and TEXT not in b"".join(record.body for record in copy.records)
    other.parent.mkdir()
    backup.into_sqlite(other, StoreCopy(copy.records, copy.next_life(0)))
    with pytest.raises(StoreRefused, match="empty store"):
        backup.into_sqlite(other, copy)
    async with opened(other, seal=seal()) as store:
        assert {r for k in store.resources() for r in store.list(k)} == records
        assert store.revision == copy.next_life(0) == revision + REVISION_STEP
        for known in (0, revision, revision + 1000):
            with pytest.raises(Expired):
                store.watch(None, None, known)
        assert (await store.put(B, b"b", expect=0)).revision == copy.next_life(0) + 1


def test_nothing_is_copied_from_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="is not there; give the --data-dir"):
        backup.of_sqlite(tmp_path / "s.db")
    assert list(tmp_path.iterdir()) == []
    sqlite_schema.create(tmp_path / "s.db")
    assert sqlite_schema.load(tmp_path / "s.db", AsStored()).records == []
