"""Secrets in SQLite: none is on the disk, a new key seals anew, and without its key a store is refused."""

import sqlite3
from pathlib import Path

import pytest
from tests.contract.sqlite_stores import (
    NEW,
    OLD,
    OLDER_TEXT,
    SECRET,
    TEXT,
    events_since,
    files,
    on_disk,
    opened,
    seal,
    write_secrets,
)

from starlink.store import checksum
from starlink.store.base import Key, StoreRefused
from starlink.store.seal import Plain, Seal, key_id
from starlink.store.sqlite import SqliteStore


async def test_no_secret_is_on_the_disk_and_memory_holds_the_text(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path, seal=seal()) as store:
        first, second = await write_secrets(store)
        assert store.get(SECRET) == second and TEXT in second.body
        assert (tmp_path / "s.db-wal").stat().st_size > 0
        assert b"no secret at all" in on_disk(path)
        assert TEXT not in on_disk(path) and OLDER_TEXT not in on_disk(path)
    assert b"no secret at all" in on_disk(path) and TEXT not in on_disk(path) and OLDER_TEXT not in on_disk(path)
    with sqlite3.connect(path) as connection:
        logged = connection.execute("SELECT body, previous FROM log WHERE resource = '/secrets'").fetchall()
    assert [(key_id(body), previous and key_id(previous)) for body, previous in logged] == [
        (NEW.id, None), (NEW.id, NEW.id), (NEW.id, None), (NEW.id, NEW.id),
    ]  # fmt: skip
    async with opened(path, seal=seal()) as store:
        assert store.get(SECRET) == second
        change = (await events_since(store, first.revision, 1))[0]
        assert (change.record, change.previous) == (second, first)


async def test_what_was_plain_is_sealed_at_the_next_start_and_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path, kept=8) as store:
        _, second = await write_secrets(store)
        for number in range(20):  # trims the log: what was in it is in free pages now
            await store.put(Key("/secrets", "ns", f"s{number}"), TEXT * 300, expect=0)
        revision = store.revision
    assert TEXT in on_disk(path)
    async with opened(path, seal=seal()) as store:
        assert TEXT not in on_disk(path) and OLDER_TEXT not in on_disk(path)
        assert store.get(SECRET) == second and store.revision == revision
        await events_since(store, revision - 5, 5)
    assert TEXT not in on_disk(path)


async def test_a_new_key_comes_into_use_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path, seal=seal(OLD)) as store:
        _, second = await write_secrets(store)
    async with opened(path, seal=seal(NEW, OLD)) as store:
        assert store.get(SECRET) == second
    assert OLD.id not in on_disk(path).hex() and NEW.id in on_disk(path).hex()
    async with opened(path, seal=seal(NEW)) as store:
        assert store.get(SECRET) == second


@pytest.mark.parametrize(("with_seal", "said"), [(seal(NEW), f"{OLD.id}, which is not in"), (None, OLD.id)])
async def test_without_its_key_a_store_is_refused_and_left_alone(
    tmp_path: Path, with_seal: Seal | None, said: str
) -> None:
    path = tmp_path / "s.db"
    async with opened(path, seal=seal(OLD)) as store:
        await write_secrets(store)
    before = files(path)
    with pytest.raises(StoreRefused, match=f"secrets ns/a is sealed with the key {said}"):
        await SqliteStore(path, seal=with_seal or Plain()).open()
    assert files(path) | {"s.db-wal": b""} == before | {"s.db-wal": b""}


async def test_a_sealed_body_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path, seal=seal()) as store:
        for name in ("a", "b"):
            await store.put(SECRET._replace(name=name), name.encode(), expect=0)
    with sqlite3.connect(path) as connection:
        other: bytes = connection.execute("SELECT body FROM object WHERE name = 'b'").fetchone()[0]
        summed = checksum.of_object(SECRET, 1, other)
        connection.execute("UPDATE object SET body = ?, checksum = ? WHERE name = 'a'", (other, summed))
    with pytest.raises(StoreRefused, match="another object's"):
        await SqliteStore(path, seal=seal()).open()
