"""Lists and watches of many objects, or of large ones, hold up nobody; and one that is no object is left out."""

import threading
from typing import Any

import msgspec
import pytest
from tests.attack.runs import counted
from tests.attack.unsummed import misshapen
from tests.integration.apiserver.test_policies import MAPS, config
from tests.integration.conftest import ADMIN, Core

from starlink.apiserver.handler import Api
from starlink.apiserver.objects import many
from starlink.apiserver.requests.reading import listing
from starlink.http.message import Request, Response, Stream
from starlink.store.base import Key

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
X = Key("/configmaps", "default", "x")


async def fill(core: Core, count: int, **data: str) -> None:
    async def make(number: int) -> None:
        made = await core("POST", MAPS, config(f"k{number:04}", **data))
        assert made.status == 201, made.body

    await many.for_each(range(count), make)


@pytest.mark.parametrize(
    ("accept", "query"),
    [(TABLE, {}), (METADATA, {}), ("", {"labelSelector": "!a"})],
    ids=["Table", "metadata", "selector"],
)
async def test_a_watch_begins_in_pieces(core: Core, accept: str, query: dict[str, str]) -> None:
    """Whoever reads does so without a pause, as a connection does whose client keeps up."""
    await fill(core, 1_500)
    asked = {"watch": "true", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", **query}
    asked |= {"allowWatchBookmarks": "true"}
    async with counted() as runs:
        stream = await core.api.handle(Request("GET", MAPS, asked, {"accept": accept} if accept else {}, b"", ADMIN))
        assert isinstance(stream, Stream)
        lines: list[bytes] = []
        async for chunk in stream.chunks:
            lines += chunk.splitlines()
            if b"initial-events-end" in lines[-1]:
                break
    events = [msgspec.json.decode(line) for line in lines]
    assert len(events) == 1_501 and events[-1]["type"] == "BOOKMARK"
    assert runs.longest < 6_000


@pytest.mark.parametrize("accept", [TABLE, METADATA_LIST])
async def test_few_large_objects_are_listed_beside_the_loop(
    core: Core, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    await fill(core, 6, large="v" * 200_000)
    threads, page = [], listing.page

    def noted(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return page(*arguments)

    monkeypatch.setattr(listing, "page", noted)
    listed = await core("GET", MAPS, accept=accept)
    shown = listed.body["rows" if accept is TABLE else "items"]
    assert listed.status == 200 and len(shown) >= 6
    assert threads and threading.get_ident() not in threads


NO_OBJECT = {
    **{text: text.encode() for text in ("[]", "7", "null", "not JSON", '{"metadata":[]}', '{"metadata":{"name":"x"}}')},
    "empty": misshapen(X)["empty"],
    "no kind": misshapen(X)["no kind"],
}


@pytest.mark.parametrize("what", NO_OBJECT)
async def test_one_that_is_no_object_is_its_own_trouble(api: Api, core: Core, what: str) -> None:
    """Its checksum is right, and so the store has taken it."""
    await fill(core, 2)
    await api.store.put(X, NO_OBJECT[what], expect=0)
    for accept, items in (("", "items"), (METADATA_LIST, "items"), (TABLE, "rows")):
        for selector in ("", "!a"):
            listed = await core("GET", MAPS, accept=accept, labelSelector=selector)
            assert listed.status == 200 and len(listed.body[items]) >= 2
    asked = await core("GET", f"{MAPS}/x")
    assert (asked.status, asked.body["message"]) == (
        500, "what is stored as configmaps default/x is no object; restore a backup",
    )  # fmt: skip
    watch = await core.watch(MAPS)
    names = [(await anext(watch))["object"]["metadata"]["name"] for _ in range(2)]
    assert "x" not in names
    assert (await core("DELETE", MAPS)).status == 200
    made = {
        "metadata": {
            "name": "owned",
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}],
        }
    }
    assert isinstance(await api.handle(Request("POST", MAPS, {}, {}, msgspec.json.encode(made), ADMIN)), Response)
    told = await core.watch(MAPS)
    async for event in told:
        if event["type"] == "DELETED" and event["object"]["metadata"]["name"] == "owned":
            break  # the garbage collector goes on
