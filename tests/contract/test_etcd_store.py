"""The contract of stores, over a real etcd, and how objects lie there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.contract.etcd_stores import opened
from tests.contract.stores import A, put, take
from tests.contract.test_store import (  # noqa: F401 - the contract, with the `store` of this module
    test_a_list_as_it_was,
    test_a_topic_needs_its_resource,
    test_a_watch_by_topic_outlasts_what_does_not_concern_it,
    test_a_watch_by_topic_sees_what_enters_stays_and_leaves,
    test_a_watch_sees_every_event_once_and_resumes,
    test_a_wrong_expectation_writes_nothing,
    test_closing_ends_watches,
    test_closing_ends_watches_by_topic,
    test_lists_are_sorted_and_by_namespace,
    test_what_is_too_old_is_refused,
    test_write_read_delete,
)
from tests.etcd_server import EtcdServer

from starlink.store.base import Conflict, Key, Record, Store, StoreUnavailable


@pytest.fixture
async def store(etcd: EtcdServer, prefix: str) -> AsyncIterator[Store]:
    async with opened(etcd.endpoints, prefix, kept=20) as made:
        yield made


async def test_writes_of_one_key_at_once_are_all_done(store: Store) -> None:
    """A revision is known when etcd has given it, so writers that race meet Conflict and try again."""

    async def until_done(body: bytes) -> Record:
        while True:
            with contextlib.suppress(Conflict):
                return await put(store, A, body)

    await store.put(A, b"0", expect=0)
    start = store.revision
    records = await asyncio.gather(*(until_done(str(number).encode()) for number in range(1, 10)))
    events = await take(store.watch("g/things", None, start), 9)
    assert sorted(records, key=lambda record: record.revision) == [event.record for event in events]
    assert store.get(A) == events[-1].record == store.latest(A)


async def test_keys_of_any_characters_come_back(etcd: EtcdServer, prefix: str) -> None:
    keys = [
        Key("/namespaces", "", "system:a"),
        Key("rbac.example.org/roles", "n/s", "a%2Fb/c"),
        Key("g/things", "", "%"),
        Key("g/things", "ä", ""),
    ]
    async with opened(etcd.endpoints, prefix) as store:
        for key in keys:
            await store.put(key, b"x", expect=0)
    etcd.call("/v3/kv/put", {"key": "L3Rlc3Q=", "value": "eA=="})
    async with opened(etcd.endpoints, prefix) as store:
        found = [record.key for resource in store.resources() for record in store.list(resource)]
        assert sorted(found) == sorted(keys)
        assert (await store.delete(keys[1], expect=store.list("rbac.example.org/roles")[0].revision)).body == b"x"


async def test_more_than_a_page_is_read(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix) as store:
        await asyncio.gather(*(store.put(Key("g/things", "", str(n)), b"x" * 2000, expect=0) for n in range(1201)))
        written = store.list("g/things")
    async with opened(etcd.endpoints, prefix) as store:
        assert list(store.list("g/things")) == list(written) and len(written) == 1201


async def test_a_value_that_etcd_refuses_is_told(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="too large"):
        await store.put(A, b"x" * 2_000_000, expect=0)
    assert (await store.put(A, b"x" * 1_400_000, expect=0)).revision == store.revision
