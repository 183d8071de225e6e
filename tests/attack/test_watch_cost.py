"""What an event costs does not grow with those who watch it, in whichever form they ask for."""

import asyncio
import contextlib
import dataclasses
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.integration.apiserver.test_policies import MAPS, config
from tests.integration.conftest import ADMIN, Core

from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.requests.reading import frames, tables, topics
from starlink.apiserver.requests.reading.frames import Frames, Recent
from starlink.apiserver.resources import encoding
from starlink.http.message import Request, Stream
from starlink.store.base import Change, Event, Key, Record

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
ASSIGNMENTS = "/apis/starlink.dev/v1alpha1/namespaces/default/assignments"
WATCHES = 60


class Reads:
    """How often bodies are looked into while events are told, and on how many threads whole objects are decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = Counter[str]()
        self.threads = set[int]()
        for name in ("labels", "metadata", "raw"):
            if hasattr(encoding, name):
                monkeypatch.setattr(encoding, name, self._counted(name, getattr(encoding, name)))

    def _counted(self, name: str, read: Any) -> Any:
        def counted(record: Record) -> Any:
            if record.key.name == "large":
                self.count[name] += 1
                self.threads.add(threading.get_ident())
            return read(record)

        return counted


@contextlib.asynccontextmanager
async def watched(
    core: Core, accept: str, *, path: str = MAPS, **query: str
) -> AsyncIterator[list[asyncio.Task[bytes]]]:
    """Watches that each wait for their first line."""
    revision = str(core.api.store.revision)
    asked = {"watch": "true", "resourceVersion": revision, **query}
    headers = {"accept": accept} if accept else {}

    async def first() -> bytes:
        stream = await core.api.handle(Request("GET", path, asked, headers, b"", ADMIN))
        assert isinstance(stream, Stream)
        return await anext(aiter(stream.chunks))

    tasks = [asyncio.create_task(first()) for _ in range(WATCHES)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def make_large(core: Core) -> None:
    made = await core("POST", MAPS, config("large", **{f"k{i}": "v" * 30 for i in range(15_000)}))
    assert made.status == 201, made.body


async def touch(core: Core, **metadata: Any) -> None:
    assert (await core.merge(f"{MAPS}/large", {"metadata": {"annotations": {"a": "b"}, **metadata}})).status == 200


@pytest.mark.parametrize(
    "query", [{"labelSelector": "zz"}, {"labelSelector": "a!=b,zz"}], ids=lambda q: q["labelSelector"]
)
async def test_labels_are_read_once_an_event(
    core: Core, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    await make_large(core)
    async with watched(core, "", **query) as tasks:
        reads = Reads(monkeypatch)
        await touch(core)
        writing = reads.count["raw"]
        await asyncio.sleep(0.05)
        made = await core("POST", MAPS, config("small") | {"metadata": {"name": "small", "labels": {"zz": "1"}}})
        assert made.status == 201
        lines = await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert {msgspec.json.decode(line)["object"]["metadata"]["name"] for line in lines} == {"small"}
    assert reads.count["raw"] == writing, "no object is decoded for a watch"
    assert reads.count["labels"] == 2, "that of before and that of after"


@pytest.mark.parametrize(
    ("selector", "names"),
    [("metadata.namespace!=other,metadata.name!=small", {"large"}), ("metadata.name=large", {"large"})],
)
async def test_fields_are_read_without_the_object(
    core: Core, monkeypatch: pytest.MonkeyPatch, selector: str, names: set[str]
) -> None:
    await make_large(core)
    async with watched(core, "", fieldSelector=selector) as tasks:
        reads = Reads(monkeypatch)
        await touch(core)
        writing = reads.count["raw"]
        lines = await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert {msgspec.json.decode(line)["object"]["metadata"]["name"] for line in lines} == names
    assert reads.count["raw"] == writing


async def test_a_selectable_field_is_read_once_an_event(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = Counter[str]()
    reader = topics.reader

    def counting(resource: Any, path: str) -> Any:
        read = reader(resource, path)

        def counted(record: Record) -> str:
            decoded[path] += 1
            return read(record)

        return counted

    monkeypatch.setattr("starlink.apiserver.requests.reading.watching.reader", counting)
    spec = {"server": "s1", "task": "t", "attempt": 1, "slot": "1", "template": {"command": ["true"]}}
    async with watched(core, "", path=ASSIGNMENTS, fieldSelector="spec.server!=a,spec.server!=b") as tasks:
        kind = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Assignment"}
        made = await core("POST", ASSIGNMENTS, {**kind, "metadata": {"name": "s"}, "spec": spec})
        assert made.status == 201, made.body
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert decoded == {"spec.server": 1}


async def test_metadata_is_told_once_without_the_object(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_large(core)
    async with watched(core, METADATA) as tasks:
        reads = Reads(monkeypatch)
        await touch(core, labels={"a": "b"})
        writing = reads.count["raw"]
        lines = await asyncio.wait_for(asyncio.gather(*tasks), 30)
    (line,) = set(lines)
    told = msgspec.json.decode(line)["object"]
    record = core.api.store.get(Key("/configmaps", "default", "large"))
    assert record is not None
    assert told["kind"] == "PartialObjectMetadata" and "data" not in told
    assert told["metadata"] == encoding.raw(record)["metadata"]
    assert reads.count["metadata"] == 1 and reads.count["raw"] == writing + 1, "the test's own"


async def test_a_row_is_made_once_a_second_beside_the_loop(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_large(core)
    core.api._reads._now = lambda: 2_000_000_000.5
    made, threads, table = [], set[int](), tables.table

    def counted(*arguments: Any, **options: Any) -> Any:
        made.append(options)
        threads.add(threading.get_ident())
        return table(*arguments, **options)

    monkeypatch.setattr("starlink.apiserver.requests.reading.reads.table", counted)
    async with watched(core, TABLE) as tasks:
        await touch(core)
        lines = await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert len(set(lines)) == 1 and len(made) == 1
    assert threading.get_ident() not in threads


async def test_ages_in_a_later_watch_are_of_its_time(core: Core) -> None:
    """A line that is kept is not told as new."""
    assert (await core("POST", MAPS, config("small"))).status == 201
    cells = []
    now = core.api._reads._now
    for later in (60, 7200):
        core.api._reads._now = partial(_later, now, later)
        watch = await core.watch(MAPS, accept=TABLE)
        event = await anext(watch)
        cells.append(event["object"]["rows"][0]["cells"][-1])
    assert cells[0] != cells[1]


def _later(now: Callable[[], float], seconds: float) -> float:
    return now() + seconds


def test_what_is_kept_of_events_is_bounded_in_bytes() -> None:
    kept = Recent[bytes](512, len)
    for number in range(100):
        assert len(kept.get(number, lambda: bytes(1_500_000))) == 1_500_000
    assert kept.bytes <= frames.MOST_BYTES
    assert len(kept.get("huge", lambda: bytes(2 * frames.MOST_BYTES))) == 2 * frames.MOST_BYTES
    assert len(kept._kept) == 1, "who watch the newest find it still"
    kept.get("next", bytes)
    assert kept.bytes == 0
    for number in range(1_000):
        kept.get(number, bytes)
    assert len(kept._kept) == 512


def test_a_line_is_not_shown_once_the_kind_is_served_otherwise() -> None:
    """What an earlier schema had and a later one has not."""
    lines, before = Frames(), next(iter(builtin_resources()))
    after = dataclasses.replace(before, since=7)
    record = Record(Key(before.storage, "default", "a"), 5, b'{"metadata":{"name":"a"}}')
    assert lines.made(record, "ADDED", before, (), lambda: b"old") == b"old"
    assert lines.made(record, "ADDED", after, (), lambda: b"new") == b"new"
    events = [Event(Change.PUT, record, None)] * 2
    lines._batches.get((5, 5, 2, before.api_version, before.since), lambda: b"old")
    assert lines.batch(events, after) != b"old"


def test_large_lines_of_events_are_not_kept_for_good() -> None:
    lines = Frames()
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{%b}}}' % b",".join(
        b'"k%d":"%b"' % (i, b"v" * 60) for i in range(10_000)
    )
    for revision in range(1, 40):
        lines.reading(Record(Key("/configmaps", "default", "a"), revision, body), "labels", encoding.labels)
    assert lines._readings.bytes <= frames.MOST_BYTES
