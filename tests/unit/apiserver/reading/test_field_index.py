"""Lists by a field: what an index gives is what a look at all objects gives, whatever has been written in between."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.apiserver.reading.test_topics import paints

from starlink.apiserver.requests.reading import listing
from starlink.apiserver.requests.reading.field_index import FieldIndexes
from starlink.apiserver.requests.reading.topics import topic
from starlink.apiserver.resources import encoding, selectors
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Key, Record
from starlink.store.memory import MemoryStore

COLORS = ("red", "blue", "")
STORAGE = paints().storage
BROKEN = b"{"


def body(key: Key, color: str | None) -> bytes:
    spec = {} if color is None else {"color": color}
    metadata = {"name": key.name, "namespace": key.namespace}
    return msgspec.json.encode({"apiVersion": "example.com/v1", "kind": "Paint", "metadata": metadata, "spec": spec})


async def put(store: MemoryStore, key: Key, content: bytes) -> None:
    current = store.get(key)
    await store.put(key, content, expect=current.revision if current else 0)


async def by_index(indexes: FieldIndexes, resource: Resource, namespace: str | None, color: str) -> list[Key]:
    about = topic(resource, selectors.parse(resource, "", f"spec.color={color}"))
    assert about is not None
    found = await indexes.records(resource, namespace, about)
    assert found is not None
    return [record.key for record in found]


def by_look(store: MemoryStore, resource: Resource, namespace: str | None, color: str) -> list[Key]:
    selector = selectors.parse(resource, "", f"spec.color={color}")
    taken = listing.readable(listing.take(store, resource, namespace, ""), resource)
    return [record.key for record in listing.page(taken, resource, selector, 0).records]


keys = st.builds(Key, st.just(STORAGE), st.sampled_from(["a", "b"]), st.sampled_from(["1", "2", "3"]))
contents = st.sampled_from([*COLORS, None, BROKEN])
STEPS = st.lists(st.tuples(keys, contents | st.just("gone")), max_size=12)


@given(rounds=st.lists(STEPS, min_size=1, max_size=4), kept=st.sampled_from([1, 4, 100]))
def test_an_index_gives_what_a_look_at_all_gives(rounds: list[list[tuple[Key, Any]]], kept: int) -> None:
    async def run() -> None:
        store, resource = MemoryStore(kept), paints()
        indexes = FieldIndexes(store)
        for steps in rounds:
            for key, content in steps:
                if content == "gone":
                    if (known := store.get(key)) is not None:
                        await store.delete(key, expect=known.revision)
                else:
                    await put(store, key, content if content is BROKEN else body(key, content))
            for namespace, color in itertools.product((None, "a", "b"), COLORS):
                assert await by_index(indexes, resource, namespace, color) == by_look(store, resource, namespace, color)

    asyncio.run(run())


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Record]]:
    """The records whose whole objects have been decoded."""
    found: list[Record] = []
    decode = encoding.to_object

    def counting(record: Record, resource: Resource) -> dict[str, Any]:
        found.append(record)
        return decode(record, resource)

    monkeypatch.setattr(encoding, "to_object", counting)
    yield found


async def test_a_list_by_a_field_reads_its_own_objects_alone(decoded: list[Record]) -> None:
    store, resource = MemoryStore(), paints()
    indexes, mine = FieldIndexes(store), Key(STORAGE, "a", "mine")
    for number in range(600):  # more than are read on the event loop
        await put(store, key := Key(STORAGE, "a", f"{number}"), body(key, "blue"))
    await put(store, mine, body(mine, "red"))
    for _ in range(5):
        assert await by_index(indexes, resource, None, "red") == [mine]
    assert not decoded


async def test_many_who_come_at_once_have_all_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store, resource = MemoryStore(), paints()
    indexes, lists = FieldIndexes(store), 0
    for number in range(600):
        await put(store, key := Key(STORAGE, "a", f"{number:03}"), body(key, "blue" if number % 2 else "red"))
    whole = store.list

    def counted(resource: str, namespace: str | None = None) -> Any:
        nonlocal lists
        lists += 1
        return whole(resource, namespace)

    monkeypatch.setattr(store, "list", counted)
    found = await asyncio.gather(*(by_index(indexes, resource, None, color) for color in COLORS * 20))
    assert [len(keys) for keys in found] == [300, 300, 0] * 20
    assert lists == 1


async def test_another_schema_is_read_anew() -> None:
    store, key = MemoryStore(), Key(STORAGE, "a", "1")
    indexes = FieldIndexes(store)
    await put(store, key, body(key, None))
    assert await by_index(indexes, paints(), None, "") == [key]  # written before there was a default
    assert await by_index(indexes, paints(since=9), None, "red") == [key]
