"""The history that etcd keeps, forgets and loses, and what watchers are told of it."""

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.conftest import soon
from tests.contract.etcd_stores import EtcdStore, opened
from tests.contract.proxy import Proxy
from tests.contract.stores import A, B, Collector, put, take
from tests.etcd_server import EtcdServer

from starlink.store.base import Expired, Record
from starlink.store.etcd.compaction import Compaction


async def test_a_compaction_while_the_watch_is_broken_makes_watchers_list_again(
    etcd: EtcdServer, prefix: str, proxy: Proxy
) -> None:
    async with opened([proxy.endpoint], prefix) as store, opened(etcd.endpoints, prefix) as other:
        first = await store.put(A, b"1", expect=0)
        told = Collector(store.watch(None, None, first.revision))
        await soon(lambda: other.revision == first.revision, "the other store")
        proxy.cut()
        for number in range(30):
            await put(other, B, str(number).encode())
        await other.delete(A, expect=first.revision)
        etcd.compact(other.revision)
        proxy.heal()
        await soon(lambda: store.revision >= other.revision, "the store to catch up")
        await told.ends()
        assert isinstance(told.end, Expired) and told.events == []
        assert store.get(A) is None and store.list("g/things") == other.list("g/things")
        with pytest.raises(Expired):
            store.watch(None, None, first.revision)
        again = store.watch(None, None, store.revision)
        record = await store.put(A, b"2", expect=0)
        assert [event.record for event in await take(again, 1)] == [record]


async def test_a_compaction_behind_a_broken_watch_costs_nothing(etcd: EtcdServer, prefix: str, proxy: Proxy) -> None:
    async with opened([proxy.endpoint], prefix) as store, opened(etcd.endpoints, prefix) as other:
        first = await store.put(A, b"1", expect=0)
        told = Collector(store.watch(None, None, first.revision))
        proxy.cut()
        etcd.compact(first.revision)
        later = [await put(other, B, str(number).encode()) for number in range(30)]
        proxy.heal()
        await soon(lambda: store.revision == other.revision, "the store to catch up")
        await told.reaches(later[-1].revision)
        assert [event.record for event in told.events] == later and told.end is None


async def test_progress_without_events_is_followed(tmp_path: Path) -> None:
    with EtcdServer(tmp_path, flags=["--experimental-watch-progress-notify-interval", "200ms"]) as server:
        async with opened(server.endpoints) as store:
            told = Collector(store.watch(None, None, store.revision))
            for _ in range(10):
                server.call("/v3/kv/put", {"key": "eA==", "value": "eA=="})
            await soon(lambda: store.revision == server.revision(), "the revision of others' writes")
            server.compact(store.revision)
            server.kill(0)
            await asyncio.to_thread(server.restart, 0)
            record = await store.put(A, b"1", expect=0)
            await told.reaches(record.revision)
            assert [event.record for event in told.events] == [record] and told.end is None


async def test_an_etcd_that_lost_its_data_is_read_again(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints) as store:
            for number in range(5):
                await put(store, A, str(number).encode())
            told = Collector(store.watch(None, None, store.revision))
            server.kill(0)
            shutil.rmtree(server.data(0))
            await asyncio.to_thread(server.restart, 0)
            await soon(lambda: store.get(A) is None, "the store to see it")
            await told.ends()
            assert isinstance(told.end, Expired)
            assert (await store.put(A, b"x", expect=0)).revision == server.revision()


def compaction(store: EtcdStore) -> Compaction:
    assert store._running is not None
    return store._running.compaction


async def test_one_of_two_servers_compacts(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints, kept=20) as one, opened(server.endpoints, kept=20) as two:
            await soon(lambda: one.revision == two.revision, "the other server")
            start = one.revision
            for store in (one, two) * 2:
                for number in range(30):
                    await put(one, A, str(number).encode())
                await soon(lambda: one.revision == two.revision, "the other server")
                await compaction(store).once()
            # one and two noted 30 and 60 events; then only one could claim, at 60 of 90: what it had noted.
            assert (compaction(one).done, compaction(two).done) == (start + 30, 0)
            with pytest.raises(OSError, match="400"):
                server.compact(start + 30)
            watch = server.call("/v3/kv/range", {"key": "AA==", "revision": str(start + 30)})
            assert watch["header"]
            with pytest.raises(OSError, match="400"):
                server.call("/v3/kv/range", {"key": "AA==", "revision": str(start + 29)})


async def test_no_more_history_is_told_than_is_kept_or_than_etcd_has(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints) as store:
            for number in range(30):
                await put(store, A, str(number).encode())
            end = store.revision
        async with opened(server.endpoints, kept=10) as store:
            with pytest.raises(Expired):
                store.watch(None, None, end - 10)
            assert len(await take(store.watch(None, None, end - 5), 5)) == 5
        server.compact(end - 3)
        async with opened(server.endpoints) as store:
            with pytest.raises(Expired):
                store.watch(None, None, end - 4)
            events = await take(store.watch(None, None, end - 3), 3)
            assert [event.record.body for event in events] == [b"27", b"28", b"29"]
            assert events[0].previous == Record(A, end - 3, b"26")
