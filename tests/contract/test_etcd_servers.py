"""Several servers over one etcd serve the same, one after another too."""

import asyncio
import contextlib

from tests.conftest import soon
from tests.contract.etcd_stores import opened
from tests.contract.proxy import Proxy
from tests.contract.stores import A, B, Collector, put, take
from tests.etcd_server import EtcdServer

from starlink.store.base import Conflict, Key, Store


async def test_two_stores_tell_the_same_events_in_the_same_order(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix) as one, opened(etcd.endpoints, prefix) as two:
        start = one.revision
        told = [Collector(store.watch(None, None, start)) for store in (one, two)]

        async def write(store: Store, writer: int) -> int:
            done = 0
            for number in range(60):
                key = Key("g/things", "ns", str(number % 4))
                with contextlib.suppress(Conflict):
                    current = store.latest(key)
                    if current is not None and number % 5 == 0:
                        await store.delete(key, expect=current.revision)
                    else:
                        await put(store, key, f"{writer} {number}".encode())
                    done += 1
            return done

        done = sum(await asyncio.gather(*(write(store, n) for n, store in enumerate([one, two, one, two]))))
        await soon(lambda: all(len(collector.events) >= done for collector in told), "all events")
        assert told[0].events == told[1].events and len(told[0].events) == done
        assert list(one.list("g/things")) == list(two.list("g/things"))
        assert {store.revision for store in (one, two)} == {told[0].revisions[-1]}
        print(f"{done} of 240 racing writes were done, the others met Conflict")


async def test_a_slow_server_says_when_it_has_reached_what_another_told(
    etcd: EtcdServer, prefix: str, proxy: Proxy
) -> None:
    async with opened(etcd.endpoints, prefix) as fast, opened([proxy.endpoint], prefix) as slow:
        proxy.answers.clear()
        seen = await fast.put(A, b"1", expect=0)
        assert not await slow.reaches(seen.revision, 0.05) and slow.get(A) is None
        waiting = asyncio.ensure_future(slow.reaches(seen.revision, 20))
        proxy.heal()
        assert await waiting and slow.get(A) == seen


async def test_what_only_a_note_moved_on_is_reached_too(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix) as one, opened(etcd.endpoints, prefix) as two:
        assert await one.reaches(two.revision, 20)


async def test_watchers_resume_across_a_restart_of_their_server(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix) as store:
        start = store.revision
        live = store.watch(None, None, start)
        first = await store.put(A, b"1", expect=0)
        second = await store.put(A, b"2", expect=first.revision)
        await store.delete(A, expect=second.revision)
        last = await store.put(B, b"3", expect=0)
        told = await take(live, 4)
    async with opened(etcd.endpoints, prefix) as again:
        assert await take(again.watch(None, None, start), 4) == told
        assert await take(again.watch("g/things", None, second.revision), 2) == told[2:]
        after = await again.put(B, b"4", expect=last.revision)
        assert [event.record for event in await take(again.watch(None, None, last.revision), 1)] == [after]
