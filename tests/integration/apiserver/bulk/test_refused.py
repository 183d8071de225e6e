"""What is refused of many writes in one request, and what is left when one end goes away."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.crash.site import ApiServer
from tests.integration.apiserver.bulk.site import (
    BULK,
    Site,
    bulk,
    codes,
    create,
    objects,
    report,
    sent,
    write,
)

from starlink.apiserver.requests.bulk import answering
from starlink.client.errors import ApiError, Unreachable
from starlink.client.kube import Client


@pytest.mark.parametrize(
    ("body", "headers", "code", "told"),
    [
        (bulk(create("a"), {**create("b"), "verb": "delete"}), {}, 422, 'items[1].verb: Invalid value: "delete"'),
        (bulk(create("a"), {**report("a"), "subresource": "scale"}), {}, 422, "items[1].subresource"),
        (bulk(create("a"), {**create("b"), "namespace": "a/b"}), {}, 422, "items[1].namespace"),
        (bulk(create("a"), {**create("b"), "object": 1}), {}, 422, "items[1].object"),
        (bulk(create("a"), {**create("b"), "when": "now"}), {}, 422, "unknown field `when`"),
        (bulk(create("a"), options={}), {}, 400, "unknown field `options`"),
        (bulk(), {}, 422, "items: Required value"),
        ([create("a")], {}, 400, "Expected `object`, got `array`"),
        (bulk(create("a"), apiVersion="bulk.starlink.dev/v2"), {}, 400, "apiVersion"),
        (b"items: []", {"content-type": "application/yaml"}, 415, "application/json"),
        (b"k8s\0", {"content-type": "application/vnd.kubernetes.protobuf"}, 415, "application/json"),
        (bulk(create("a")), {"accept": "text/html"}, 406, "Available representations"),
        (b" " * (3 * 1024 * 1024) + b" ", {}, 413, "3145728"),
    ],
)
async def test_what_is_wrong_writes_nothing(
    site: Site, admin: Client, body: Any, headers: dict[str, str], code: int, told: str
) -> None:
    with pytest.raises(ApiError) as refused:
        await admin.raw("POST", BULK, body=body, headers={"content-type": "application/json", **headers})
    assert refused.value.code == code and told in str(refused.value)
    assert await site.names() == set() and site.lines() == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", BULK), ("DELETE", BULK), ("GET", f"{BULK}/x"), ("PUT", f"{BULK}/x")]
)
async def test_it_is_for_nothing_else(admin: Client, method: str, path: str) -> None:
    with pytest.raises(ApiError) as refused:
        await admin.raw(method, path)
    assert refused.value.code == 405


async def test_discovery_and_openapi_tell_of_it(admin: Client) -> None:
    listed = msgspec.json.decode(await admin.raw("GET", "/apis/bulk.starlink.dev/v1alpha1"))
    assert listed["resources"] == [
        {
            "name": "bulkwrites",
            "singularName": "bulkwrite",
            "namespaced": False,
            "kind": "BulkWrite",
            "verbs": ["create"],
        }
    ]
    paths = msgspec.json.decode(await admin.raw("GET", "/openapi/v3"))["paths"]
    url = paths["apis/bulk.starlink.dev/v1alpha1"]["serverRelativeURL"]
    path, _, query = url.partition("?")
    document = msgspec.json.decode(await admin.raw("GET", path, query=dict([query.split("=")])))
    assert set(document["paths"][BULK]) >= {"post"}
    (schema,) = [one for name, one in document["components"]["schemas"].items() if name.endswith("BulkWrite")]
    assert schema["properties"]["items"]["maxItems"] == 500


# Trouble


async def test_answers_have_a_most(site: Site, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MOST_ANSWERED", 40_000)
    items = await write(admin, *(create(f"a-{number}") for number in range(300)))
    made = {item["object"]["metadata"]["name"] for item in items if item["code"] == 201}
    refused = [item["object"]["message"] for item in items if item["code"] == 413]
    assert len(made) + len(refused) == 300 and 40 < len(made) < 200
    assert "not begun" in refused[0] and await site.names() == made


async def test_a_client_that_goes_away_leaves_each_item_whole_or_absent(site: Site, admin: Client) -> None:
    """And a line for each that is there."""
    async with sent(site, bulk(*(create(f"a-{number}") for number in range(500)))):
        await soon(lambda: site.api.store.list("starlink.dev/assignments"), "the first items to be there")
    await soon(lambda: site.server._dispatcher._queue.handled == 0, "all that was begun to end")
    await asyncio.sleep(0)
    there = await site.names()
    assert 0 < len(there) < 500
    assert all(one["metadata"]["uid"] and one["spec"]["server"] == "s1" for one in await objects(admin))
    noted = [line for line in site.lines() if line["code"] in (201, 499)]
    assert len(noted) >= len(there)
    assert {line["name"] for line in noted if line["code"] == 201} <= there
    assert codes(await write(admin, create("after"))) == [201]
    again = await write(admin, *(create(f"a-{number}") for number in range(500)))
    assert {name["code"] for name in again} == {201, 409}
    assert len(await site.names()) == 501


async def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    """And what was not is whole or absent."""
    server = ApiServer(tmp_path / "server")
    server.start()
    try:
        server.wait()
        answered = set[str]()
        async with Client(server.config()) as client:

            async def keep_writing(writer: int) -> None:
                for number in range(1_000):
                    items = await write(client, *(create(f"a-{writer}-{number}-{index}") for index in range(50)))
                    answered.update(item["object"]["metadata"]["name"] for item in items if item["code"] == 201)

            writing = [asyncio.create_task(keep_writing(writer)) for writer in range(3)]
            await soon(lambda: len(answered) >= 300, "some to be answered")
            server.kill()
            ended = await asyncio.gather(*writing, return_exceptions=True)
        assert all(isinstance(end, Unreachable) for end in ended), ended
        server.start()
        await asyncio.to_thread(server.wait)
        async with Client(server.config()) as client:
            there = {one["metadata"]["name"]: one for one in await objects(client)}
            assert answered <= there.keys()
            assert all(one["spec"]["server"] == "s1" and one["metadata"]["uid"] for one in there.values())
        text = (server.folder / "logs" / "audit.log").read_text()
        noted = {line["name"] for line in map(msgspec.json.decode, text.splitlines()) if line["code"] == 201}
        assert answered <= noted
    finally:
        server.kill()
