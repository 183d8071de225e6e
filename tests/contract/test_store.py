"""What every store must do, whichever it is."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.contract.stores import A, B, take

from starlink.store.base import Change, Conflict, Event, Expired, Key, Store, StoreRefused, StoreUnavailable, Topic
from starlink.store.memory import MemoryStore
from starlink.store.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore(kept=20) if request.param == "memory" else SqliteStore(tmp_path / "s.db", kept=20)
    await made.open()
    yield made
    await made.close()


async def test_write_read_delete(store: Store) -> None:
    first = await store.put(A, b"1", expect=0)
    assert store.get(A) == first == store.latest(A)
    second = await store.put(A, b"2", expect=first.revision)
    assert second.revision > first.revision and store.revision == second.revision
    gone = await store.delete(A, expect=second.revision)
    assert (gone.body, gone.revision > second.revision) == (b"2", True)
    assert store.get(A) is None and store.latest(A) is None


async def test_a_wrong_expectation_writes_nothing(store: Store) -> None:
    first = await store.put(A, b"1", expect=0)
    for expect in (0, first.revision + 7):
        with pytest.raises(Conflict) as caught:
            await store.put(A, b"x", expect=expect)
        assert caught.value.current == first
    with pytest.raises(Conflict):
        await store.delete(B, expect=3)
    assert store.get(A) == first


async def test_lists_are_sorted_and_by_namespace(store: Store) -> None:
    for namespace, name in (("z", "a"), ("ns", "b"), ("ns", "a")):
        await store.put(Key("g/things", namespace, name), b"x", expect=0)
    await store.put(Key("g/others", "ns", "o"), b"x", expect=0)
    assert [r.key[1:] for r in store.list("g/things")] == [("ns", "a"), ("ns", "b"), ("z", "a")]
    assert [r.key.name for r in store.list("g/things", "ns")] == ["a", "b"]
    assert list(store.resources()) == ["g/others", "g/things"]


async def test_writes_of_one_key_at_once_are_all_done_in_order(store: Store) -> None:
    record = await store.put(A, b"0", expect=0)
    pending = []
    for number in range(1, 10):
        latest = store.latest(A)
        assert latest is not None
        pending.append(asyncio.ensure_future(store.put(A, str(number).encode(), expect=latest.revision)))
        await asyncio.sleep(0)
    revisions = [done.revision for done in await asyncio.gather(*pending)]
    assert revisions == sorted(revisions) and revisions[0] > record.revision
    assert (store.get(A) or record).body == b"9"


async def test_a_watch_sees_every_event_once_and_resumes(store: Store) -> None:
    start = store.revision
    first = await store.put(A, b"1", expect=0)
    watch = store.watch("g/things", None, start)
    second = await store.put(A, b"2", expect=first.revision)
    await store.put(Key("g/others", "ns", "o"), b"x", expect=0)
    await store.delete(A, expect=second.revision)
    events = await take(watch, 3)
    assert [e.change for e in events] == [Change.PUT, Change.PUT, Change.DELETE]
    assert [e.previous for e in events] == [None, first, second]
    resumed = await take(store.watch("g/things", "ns", first.revision), 2)
    assert resumed == events[1:]
    everything = await take(store.watch(None, None, start), 4)
    assert [e.record.key.resource for e in everything] == ["g/things", "g/things", "g/others", "g/things"]


def of_color(color: str) -> Topic:
    """The objects whose body begins with a color, as in `red 1`."""

    def values(event: Event) -> set[str]:
        records = [record for record in (event.previous, event.record) if record is not None]
        return {record.body.decode().partition(" ")[0] for record in records}

    return Topic("color", color, values)


async def test_a_watch_by_topic_sees_what_enters_stays_and_leaves(store: Store) -> None:
    start = store.revision
    watches = {color: store.watch("g/things", None, start, of_color(color)) for color in ("red", "blue")}
    elsewhere = store.watch("g/things", "other", start, of_color("red"))
    first = await store.put(A, b"red 1", expect=0)
    await store.put(B, b"green", expect=0)
    await store.put(Key("g/others", "ns", "o"), b"red", expect=0)
    second = await store.put(A, b"red 2", expect=first.revision)
    third = await store.put(A, b"blue 3", expect=second.revision)
    gone = await store.delete(A, expect=third.revision)
    last = await store.put(Key("g/things", "other", "z"), b"red 4", expect=0)
    red = await take(watches["red"], 4)
    assert [event.record.revision for event in red] == [one.revision for one in (first, second, third, last)]
    assert [event.previous for event in red] == [None, first, second, None]
    blue = await take(watches["blue"], 2)
    assert [(event.change, event.record.revision) for event in blue] == [
        (Change.PUT, third.revision),
        (Change.DELETE, gone.revision),
    ]
    assert [event.record for event in await take(elsewhere, 1)] == [last]
    assert watches["red"].behind == watches["blue"].behind == 0
    assert await take(store.watch("g/things", None, first.revision, of_color("red")), 3) == red[1:]


async def test_a_watch_by_topic_outlasts_what_does_not_concern_it(store: Store) -> None:
    watch = store.watch("g/things", None, store.revision, of_color("red"))
    slow = store.watch("g/things", None, store.revision, of_color("green"))
    record = await store.put(A, b"green 0", expect=0)
    for number in range(60):
        record = await store.put(A, b"green %d" % number, expect=record.revision)
    assert not watch.take()
    told = await store.put(A, b"red", expect=record.revision)
    assert [event.record for event in await take(watch, 1)] == [told]
    with pytest.raises(Expired):
        slow.take()
    with pytest.raises(Expired):
        store.watch("g/things", None, told.revision - 40, of_color("red"))


async def test_a_topic_needs_its_resource(store: Store) -> None:
    with pytest.raises(ValueError, match="color=red needs the resource"):
        store.watch(None, None, store.revision, of_color("red"))


async def test_closing_ends_watches_by_topic(store: Store) -> None:
    waiting = asyncio.ensure_future(take(store.watch("g/things", None, store.revision, of_color("red")), 1))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await waiting


async def test_a_list_as_it_was(store: Store) -> None:
    first = await store.put(A, b"1", expect=0)
    other = await store.put(Key("g/things", "other", "z"), b"z", expect=0)
    before = store.revision
    assert store.list_at("g/things", None, before) == [first, other]
    changed = await store.put(A, b"2", expect=first.revision)
    await store.put(B, b"x", expect=0)
    await store.delete(other.key, expect=other.revision)
    assert store.list_at("g/things", None, before) == [first, other]
    assert store.list_at("g/things", "ns", changed.revision) == [changed]
    assert store.list_at("g/things", None, store.revision) == store.list("g/things")
    with pytest.raises(Expired):
        store.list_at("g/things", None, -1)


async def test_what_is_too_old_is_refused(store: Store) -> None:
    start = store.revision
    record = await store.put(A, b"0", expect=0)
    for number in range(40):
        record = await store.put(A, str(number).encode(), expect=record.revision)
    with pytest.raises(Expired):
        store.watch("g/things", None, start)


async def test_closing_ends_watches(store: Store) -> None:
    watch = store.watch("g/things", None, store.revision)
    waiting = asyncio.ensure_future(take(watch, 1))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await waiting


async def test_sqlite_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    store = SqliteStore(path)
    await store.open()
    first = await store.put(A, b"1", expect=0)
    second = await store.put(A, b"2", expect=first.revision)
    await store.delete(A, expect=second.revision)
    last = store.revision
    await store.close()
    assert path.stat().st_mode & 0o777 == 0o600
    again = SqliteStore(path)
    await again.open()
    assert again.revision == last
    by_topic = await take(again.watch("g/things", None, first.revision, of_color("1")), 1)
    assert [(e.change, e.previous) for e in by_topic] == [(Change.PUT, first)]
    events = await take(again.watch("g/things", None, first.revision), 2)
    assert [(e.change, e.previous) for e in events] == [(Change.PUT, first), (Change.DELETE, second)]
    assert (await again.put(B, b"x", expect=0)).revision > last
    await again.close()


async def test_sqlite_keeps_a_second_one_out(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    await store.open()
    with pytest.raises(StoreRefused, match="in use"):
        await SqliteStore(tmp_path / "s.db").open()
    await store.close()


@pytest.mark.parametrize("damage", ["garbage", "newer", "foreign"])
async def test_sqlite_refuses_what_is_not_its_own(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s.db"
    if damage == "garbage":
        path.write_bytes(b"this is no database " * 100)
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (x)")
        if damage == "newer":
            connection.execute(f"PRAGMA application_id = {0x53744C6B}")
            connection.execute("PRAGMA user_version = 99")
        connection.commit()
        connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match=str(path)):
        await SqliteStore(path).open()
    assert path.read_bytes() == before


async def test_sqlite_fails_the_writers_and_goes_on_when_the_disk_does_not(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    await store.open()
    record = await store.put(A, b"1", expect=0)
    other = sqlite3.connect(tmp_path / "s.db", timeout=0)
    store._file._connection.execute("PRAGMA busy_timeout = 50")  # type: ignore[union-attr]
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await store.put(A, b"2", expect=record.revision)
    assert store.get(A) == record == store.latest(A)
    other.rollback()
    other.close()
    assert (await store.put(A, b"3", expect=record.revision)).body == b"3"
    await store.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from starlink.store.base import Key
from starlink.store.sqlite import SqliteStore

async def write(store, writer):
    number = 0
    while True:
        record = await store.put(Key("g/things", str(writer), str(number)), b"x" * 200, expect=0)
        print(f"{writer} {number} {record.revision}", flush=True)
        number += 1

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    await asyncio.gather(*(write(store, writer) for writer in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [50, 400])
async def test_sqlite_loses_no_acknowledged_write_to_a_kill(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "s.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    lines: Sequence[str] = [writer.stdout.readline() for _ in range(acknowledged)]
    os.kill(writer.pid, signal.SIGKILL)
    lines = [*lines, *writer.stdout.read().splitlines(keepends=True)]
    writer.wait()
    store = SqliteStore(path)
    await store.open()
    for line in lines:
        if line.endswith("\n"):
            number, name, revision = line.split()
            record = store.get(Key("g/things", number, name))
            assert record is not None and record.revision == int(revision), json.dumps(line)
    await store.close()
