"""SQLite stores that are killed, and starts that are cut short: what was told stays true, and the next start goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.sqlite_stores import NEW, OPENER, events_since, files, opened, write_until_killed
from tests.contract.stores import A

from starlink.store.base import REVISION_STEP, Expired, Key, StoreRefused
from starlink.store.keyfile import KeyFile
from starlink.store.seal import AesGcmSeal
from starlink.store.sqlite import SqliteStore
from starlink.store.sqlite_file import Durability


@pytest.mark.parametrize(("durability", "synchronous"), [(Durability.FULL, 2), (Durability.NORMAL, 1)])
async def test_durability_is_sqlites(tmp_path: Path, durability: Durability, synchronous: int) -> None:
    async with opened(tmp_path / "s.db", durability=durability) as store:
        connection = store._file._connection
        assert connection is not None
        assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("then", list(Durability))
async def test_after_a_crash_of_a_normal_store_nobody_resumes_and_revisions_rise(
    tmp_path: Path, then: Durability
) -> None:
    path = tmp_path / "s.db"
    told = write_until_killed(path, Durability.NORMAL, 30)
    async with opened(path, durability=then) as store:
        assert store.get(Key("g/things", "ns", "29")) is not None  # a crash alone takes nothing
        assert store.revision >= told + REVISION_STEP
        with pytest.raises(Expired):
            store.watch(None, None, told)
        told = (await store.put(A, b"a", expect=0)).revision
    async with opened(path, durability=then) as store:
        assert store.revision == told
        store.watch(None, None, told).close()


async def test_after_a_crash_of_a_full_store_watches_go_on(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    told = write_until_killed(path, Durability.FULL, 30)
    async with opened(path) as store:
        assert told <= store.revision < told + 100
        assert (await events_since(store, told - 5, 5))[0].record.revision == told - 4


async def test_a_start_that_was_killed_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.with_name(".s.db.partial").write_bytes(b"half")
    async with opened(path) as store:
        await store.put(A, b"a", expect=0)
    assert {"s.db", "s.db.lock", "s.db.mark"} == set(files(path))


@pytest.mark.parametrize("durability", list(Durability))
async def test_a_store_that_is_killed_before_its_first_write_starts_again(
    tmp_path: Path, durability: Durability
) -> None:
    path = tmp_path / "s.db"
    for _ in range(3):
        opener = subprocess.Popen([sys.executable, "-c", OPENER, path, durability], stdout=subprocess.PIPE)
        assert opener.stdout is not None and opener.stdout.readline()
        assert path.with_name("s.db.open").exists() and path.with_name("s.db-wal").exists()
        os.kill(opener.pid, signal.SIGKILL)
        opener.wait()
        opener.stdout.close()
    async with opened(path) as store:
        await store.put(A, b"a", expect=0)


async def test_a_start_that_is_refused_late_keeps_the_wal(tmp_path: Path) -> None:
    """Here by a seal that opens what is there, and can't seal anew."""
    path = tmp_path / "s.db"
    write_until_killed(path, Durability.FULL, 10)

    class Broken(AesGcmSeal):
        def seal(self, key: Key, body: bytes) -> bytes:
            raise StoreRefused("broken")

    keys = KeyFile(Path("/where/encryption.key"), (NEW,))
    with pytest.raises(StoreRefused, match="broken"):
        await SqliteStore(path, seal=Broken(keys, resources=(A.resource,))).open()
    assert path.with_name("s.db-wal").stat().st_size > 0
    async with opened(path) as store:
        assert store.get(Key("g/things", "ns", "9")) is not None
