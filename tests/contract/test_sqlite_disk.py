"""What the SQLite store does with the disk: secrets, power cuts, damage, no room."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from starlink.store import backup, sqlite_schema
from starlink.store.backup import Snapshot
from starlink.store.base import Event, Expired, Key, Record, StoreRefused, StoreUnavailable
from starlink.store.keyfile import KeyFile, SealKey
from starlink.store.seal import AesGcmSeal, AsStored, Plain, Seal, key_id
from starlink.store.sqlite import SqliteStore
from starlink.store.sqlite_file import REVISION_STEP, Durability

A, B = Key("g/things", "ns", "a"), Key("g/things", "ns", "b")
SECRET = Key("/secrets", "ns", "a")
TEXT, OLDER_TEXT = b"correct horse battery staple", b"an earlier pass phrase"
OLD, NEW = SealKey(b"o" * 32), SealKey(b"n" * 32)


def seal(*keys: SealKey) -> AesGcmSeal:
    return AesGcmSeal(KeyFile(Path("/where/encryption.key"), keys or (NEW,)))


@contextlib.asynccontextmanager
async def opened(path: Path, *, seal: Seal | None = None, durability: Durability = Durability.FULL, kept: int = 100):  # type: ignore[no-untyped-def]
    store = SqliteStore(path, kept, seal=seal or Plain(), durability=durability)
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
    return b"".join(entry.read_bytes() for entry in path.parent.iterdir() if entry.is_file())


async def events_since(store: SqliteStore, revision: int, count: int) -> list[Event]:
    found: list[Event] = []
    async for batch in store.watch(None, None, revision):
        found += batch
        if len(found) >= count:
            break
    return found


# Secrets


async def write_secrets(store: SqliteStore) -> tuple[Record, Record]:
    first = await store.put(SECRET, b'{"data":"%s"}' % OLDER_TEXT, expect=0)
    second = await store.put(SECRET, b'{"data":"%s"}' % TEXT, expect=first.revision)
    gone = await store.put(SECRET._replace(name="gone"), b'{"data":"%s"}' % TEXT, expect=0)
    await store.delete(gone.key, expect=gone.revision)
    await store.put(A, b"no secret at all", expect=0)
    return first, second


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
        connection.execute("UPDATE object SET body = (SELECT body FROM object WHERE name = 'b') WHERE name = 'a'")
    with pytest.raises(StoreRefused, match="another object's"):
        await SqliteStore(path, seal=seal()).open()


# Power cuts

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


OPENER = WRITER.replace(
    "    number = 0", "    print('open', flush=True)\n    await asyncio.Event().wait()\n    number = 0"
)


def write_until_killed(path: Path, durability: Durability, acknowledged: int) -> int:
    """The last revision that a writer was told before it was killed."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path, durability], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(acknowledged)]
    os.kill(writer.pid, signal.SIGKILL)
    lines += writer.stdout.read().splitlines(keepends=True)
    writer.wait()
    return int([line for line in lines if line.endswith("\n")][-1])


@pytest.mark.parametrize(("durability", "synchronous"), [(Durability.FULL, 2), (Durability.NORMAL, 1)])
async def test_durability_is_sqlites(tmp_path: Path, durability: Durability, synchronous: int) -> None:
    async with opened(tmp_path / "s.db", durability=durability) as store:
        assert store._file._connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert store._file._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


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


# Damage


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
    with pytest.raises(StoreRefused, match=r"s\.db is gone, but .*s\.db-wal and .*s\.db\.open is left of it"):
        await SqliteStore(path).open()
    assert files(path) == before


async def test_a_start_that_was_killed_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.with_name(".s.db.partial").write_bytes(b"half")
    async with opened(path) as store:
        await store.put(A, b"a", expect=0)
    assert {"s.db", "s.db.lock"} == set(files(path))


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
    assert set(files(path)) == {"s.db", "s.db.lock"}


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


# No room


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


# Copies


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
    backup.into_sqlite(other, Snapshot(copy.records, copy.next_life(0)))
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
