"""Writes to an etcd whose answers, or which itself, are lost."""

import asyncio
import gc
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DEADLINE, soon
from tests.contract.etcd_stores import EtcdStore, opened
from tests.contract.proxy import Proxy
from tests.contract.stores import A, B, Collector
from tests.etcd_server import EtcdServer

from starlink.store.base import Conflict, Record, StoreUnavailable


@pytest.mark.parametrize("change", ["create", "update", "delete", "overwritten"])
async def test_a_write_whose_answer_is_lost_is_known_to_be_done(
    etcd: EtcdServer, prefix: str, proxy: Proxy, change: str
) -> None:
    async with opened([proxy.endpoint], prefix) as store, opened(etcd.endpoints, prefix) as other:
        told = Collector(other.watch(None, None, other.revision))
        before = 0 if change == "create" else (await store.put(A, b"1", expect=0)).revision
        proxy.answers.clear()
        writing = asyncio.ensure_future(
            store.delete(A, expect=before) if change == "delete" else store.put(A, b"2", expect=before)
        )
        await soon(lambda: other.revision > before and (other.get(A) is None) is (change == "delete"), "the write")
        done = last = other.revision
        if change == "overwritten":
            last = (await other.put(A, b"3", expect=done)).revision
        proxy.cut()
        proxy.heal()
        record = await writing
        assert record == Record(A, done, b"1" if change == "delete" else b"2")
        await told.reaches(last)
        assert len(told.events) == {"create": 1, "overwritten": 3}.get(change, 2)
        await soon(lambda: store.revision == other.revision, "the store to catch up")
        assert store.get(A) == other.get(A) == store.latest(A)


@pytest.mark.parametrize("change", ["create", "update"])
async def test_a_write_that_is_lost_is_not_said_to_be_done(
    etcd: EtcdServer, prefix: str, proxy: Proxy, change: str
) -> None:
    async with opened([proxy.endpoint], prefix) as store, opened(etcd.endpoints, prefix) as other:
        before = 0 if change == "create" else (await store.put(A, b"1", expect=0)).revision
        proxy.requests.clear()
        writing = asyncio.ensure_future(store.put(A, b"2", expect=before))
        await soon(lambda: prefix.encode() in proxy.held and other.revision >= before, "the write is held up")
        theirs = await other.put(A, b"3", expect=before)
        proxy.cut()
        proxy.heal()
        # Whether a creation may still be on its way can't be known; a change from a revision is past.
        with pytest.raises(StoreUnavailable if change == "create" else Conflict):
            await writing
        assert other.get(A) == theirs == store.latest(A)


async def test_an_etcd_that_is_away_makes_writes_unavailable(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints) as store:
            first = await store.put(A, b"1", expect=0)
            server.kill(0)
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(store.put(A, b"2", expect=first.revision), DEADLINE)
            assert store.get(A) == first == store.latest(A)
        with pytest.raises(StoreUnavailable, match="no answer"):
            await EtcdStore(server.endpoints).open()


async def test_a_write_that_nobody_waits_for_any_more_fails_in_silence(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints) as store:
            first = await store.put(A, b"1", expect=0)
            server.freeze(0)
            await _give_up(store.put(A, b"2", expect=first.revision), store.put(B, b"1", expect=0))
        server.thaw(0)
    gc.collect()  # only with a task that is gone does asyncio tell what nobody has asked for
    assert told == []


async def _give_up(*writes: Coroutine[Any, Any, Record]) -> None:
    """As an API server does when the client has gone away; keeps nothing of the writes."""
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_restart_of_the_only_member_is_resumed(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints) as store:
            told = Collector(store.watch(None, None, store.revision))
            first = await store.put(A, b"1", expect=0)
            server.kill(0)
            writing = asyncio.ensure_future(store.put(A, b"2", expect=first.revision))
            await asyncio.to_thread(server.restart, 0)
            second = await writing
            third = await store.put(A, b"3", expect=second.revision)
            await told.reaches(third.revision)
            assert [event.record for event in told.events] == [first, second, third]
            assert told.end is None
