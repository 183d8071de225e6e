"""A SQLite store without room: writes fail, reads go on, and writes work again."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.sqlite_stores import events_since, opened
from tests.contract.stores import A, B

from starlink.store.base import Key, Record, StoreRefused, StoreUnavailable
from starlink.store.sqlite import SqliteStore


async def fill(store: SqliteStore) -> list[Record]:
    """Writes until there is no room; what was acknowledged."""
    done: list[Record] = []
    with pytest.raises(StoreUnavailable, match=r"could not be made durable: the disk that holds .* is full; make"):
        for number in range(10_000):
            done.append(await store.put(Key("g/things", "ns", str(number)), b"x" * 2000, expect=0))
    return done


async def check_it_stands(store: SqliteStore, done: list[Record]) -> None:
    assert store.revision == done[-1].revision
    assert sorted(store.list("g/things"), key=lambda record: record.revision) == done
    assert store.latest(Key("g/things", "ns", str(len(done)))) is None
    with pytest.raises(StoreUnavailable):  # and again
        await store.put(B, b"x" * 2000, expect=0)
    assert len(await events_since(store, 0, len(done))) == len(done)


async def check_it_goes_on(store: SqliteStore, path: Path, done: list[Record]) -> None:
    newest = await store.put(B, b"b", expect=0)
    assert newest.revision > done[-1].revision
    await store.close()
    async with opened(path, kept=10_000) as again:
        assert again.list("g/things") == sorted([*done, newest], key=lambda record: record.key)


async def test_without_room_writes_fail_reads_go_on_and_writes_work_again(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    store = SqliteStore(path)
    await store.open()
    connection = store._file._connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 200")
    done = await fill(store)
    await check_it_stands(store, done)
    connection.execute("PRAGMA max_page_count = 100000")
    await check_it_goes_on(store, path, done)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a file system can't be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


async def test_on_a_full_disk_writes_fail_reads_go_on_and_writes_work_again(small_disk: Path) -> None:
    path, ballast = small_disk / "s.db", small_disk / "ballast"
    ballast.write_bytes(b"x" * 800_000)
    store = SqliteStore(path)
    await store.open()
    done = await fill(store)
    await check_it_stands(store, done)
    ballast.unlink()
    await check_it_goes_on(store, path, done)


async def test_a_store_that_finds_the_disk_full_says_so_and_harms_nothing(small_disk: Path) -> None:
    path = small_disk / "s.db"
    async with opened(path) as store:
        record = await store.put(A, b"a", expect=0)
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    with pytest.raises((StoreRefused, OSError), match=r"full|No space left"):
        await SqliteStore(small_disk / "other" / "s.db").open()
    with contextlib.suppress(StoreRefused):
        async with opened(path) as store:
            assert store.get(A) == record
            with pytest.raises(StoreUnavailable, match="full"):
                await store.put(B, b"b", expect=0)
    ballast.unlink()
    async with opened(path) as store:
        assert store.get(A) == record
