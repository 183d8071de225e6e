"""Damaged SQLite stores are found, refused with what to do, and left alone."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest
from tests.contract.sqlite_stores import files, opened, write_until_killed
from tests.contract.stores import A, B

from starlink.store import backup
from starlink.store.base import REVISION_STEP, Expired, Key, StoreRefused
from starlink.store.sqlite import SqliteStore
from starlink.store.sqlite_file import Durability
from starlink.store.sqlite_rows import Contents, Rows


async def test_a_damaged_page_is_found_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path) as store:
        for number in range(200):
            await store.put(Key("g/things", "ns", f"n{number}"), b"x" * 500, expect=0)
    content = bytearray(path.read_bytes())
    page = int.from_bytes(content[16:18])
    middle = len(content) // page // 2 * page
    content[middle : middle + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(StoreRefused, match=f"{path} can't be read as a database of StarLink .*restore a backup"):
        await SqliteStore(path).open()
    assert path.read_bytes() == content
    with pytest.raises(StoreRefused, match="restore a backup"):
        backup.of_sqlite(path)
    assert path.read_bytes() == content


async def test_of_a_cut_wal_whole_transactions_are_taken(tmp_path: Path) -> None:
    """What lies behind the cut is gone, as after a disk that lied; no half of a write is there."""
    whole = tmp_path / "whole" / "s.db"
    whole.parent.mkdir()
    told = write_until_killed(whole, Durability.FULL, 40)
    wal = whole.with_name("s.db-wal").read_bytes()
    assert len(wal) > 40 * 1024
    for number, part in enumerate((0.15, 0.5, 0.77, 0.99)):
        path = tmp_path / str(number) / "s.db"
        path.parent.mkdir()
        path.write_bytes(whole.read_bytes())
        path.with_name("s.db-wal").write_bytes(wal[: int(len(wal) * part)])
        async with opened(path) as store:
            assert store.revision <= told + 1
            found = {int(record.key.name) + 1: record.revision for record in store.list("g/things")}
            assert found == {revision: revision for revision in range(1, store.revision + 1)}
            await store.put(A, b"a", expect=0)


@pytest.mark.parametrize("lost", ["name = 'a' AND change = 'DELETE'", "revision = 2", "name = 'b'", "revision = 5"])
async def test_a_log_with_a_gap_is_refused_and_left_alone(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "s.db"
    async with opened(path) as store:
        one = await store.put(A, b"1", expect=0)
        two = await store.put(A, b"2", expect=one.revision)
        three = await store.put(A, b"3", expect=two.revision)
        await store.put(B, b"b", expect=0)
        again = await store.delete(A, expect=three.revision)
        await store.put(A, b"anew", expect=0)
        assert again.revision == 5
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(f"DELETE FROM log WHERE {lost}").rowcount == 1
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match=r"its log lacks a write of things.g ns/[ab]"):
        await SqliteStore(path).open()
    assert path.read_bytes() == before


async def test_what_is_refused_keeps_its_wal(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    write_until_killed(path, Durability.FULL, 10)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("SELECT * FROM floor").fetchall()
        holder.execute("PRAGMA user_version = 99")
        before = files(path)
        assert before["s.db-wal"]
        with pytest.raises(StoreRefused, match=r"newer StarLink .schema 99"):
            await SqliteStore(path).open()
        assert files(path) == before


async def test_a_wal_without_its_database_is_not_mixed_with_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    write_until_killed(path, Durability.FULL, 10)
    path.unlink()
    before = files(path)
    with pytest.raises(
        StoreRefused, match=r"s\.db is gone, but .*s\.db-wal and .*s\.db\.open and .*s\.db\.mark is left of it"
    ):
        await SqliteStore(path).open()
    assert files(path) == before


@pytest.mark.parametrize("left", [0, 100, 4096, 9000])
async def test_a_truncated_file_is_refused_and_left_alone(tmp_path: Path, left: int) -> None:
    path = tmp_path / "s.db"
    async with opened(path) as store:
        for number in range(50):
            await store.put(Key("g/things", "ns", f"n{number}"), b"x" * 500, expect=0)
    path.write_bytes(path.read_bytes()[:left])
    before = files(path)
    with pytest.raises(StoreRefused, match=r"can't be read as a database of StarLink .*restore a backup"):
        await SqliteStore(path).open()
    assert files(path) | {"s.db-wal": b""} == before | {"s.db-wal": b""}  # whoever reads makes an empty one


@pytest.mark.parametrize("durability", list(Durability))
async def test_a_lost_wal_is_refused_until_its_loss_is_accepted(tmp_path: Path, durability: Durability) -> None:
    path = tmp_path / "s.db"
    told = write_until_killed(path, durability, 10)
    path.with_name("s.db-wal").unlink()
    before = files(path)
    for look in (SqliteStore(path).open(), asyncio.to_thread(backup.of_sqlite, path)):
        with pytest.raises(StoreRefused, match=r"s\.db-wal is gone, .* run: echo accept-loss > .*/s\.db\.open"):
            await look
    assert files(path) == before
    path.with_name("s.db.open").write_text("accept-loss\n")
    async with opened(path) as store:
        assert store.revision >= told + REVISION_STEP - 100
        with pytest.raises(Expired):
            store.watch(None, None, told)
        await store.put(A, b"a", expect=0)
    assert set(files(path)) == {"s.db", "s.db.lock", "s.db.mark"}


async def test_what_a_row_holds_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's words of a value that it can't use are that value."""
    path = tmp_path / "s.db"
    async with opened(path) as store:
        await store.put(A, b"x", expect=0)

    def read(rows: Rows, connection: sqlite3.Connection) -> Contents:
        raise ValueError("invalid literal for int(): 'hunter2'")

    monkeypatch.setattr(Rows, "read", read)
    with pytest.raises(StoreRefused, match=r"a row holds what no row does \(ValueError\)") as refused:
        await SqliteStore(path).open()
    assert "hunter2" not in str(refused.value)
