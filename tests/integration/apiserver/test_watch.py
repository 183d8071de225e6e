"""Watches: what is told, in which order, and from where."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
import pytest
from tests.integration.conftest import TASKS, Core, task

from starlink.api.kinds import ASSIGNMENT, Kind
from starlink.client.kube import Client

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def some(lines: Any, count: int) -> list[tuple[str, Any]]:
    found = []
    async for event in lines:
        found.append((event["type"], event["object"]))
        if len(found) == count:
            break
    return found


async def test_it_begins_with_what_is_there(core: Core) -> None:
    await core("POST", TASKS, task("a"))
    lines = await core.watch(TASKS)
    await core("POST", TASKS, task("b"))
    await core("DELETE", f"{TASKS}/a")
    told = [(type_, obj["metadata"]["name"]) for type_, obj in await some(lines, 3)]
    assert told == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


async def test_it_resumes_and_refuses_what_is_too_old(core: Core) -> None:
    made = (await core("POST", TASKS, task("a"))).body
    await core.merge(f"{TASKS}/a", {"spec": {"replicas": 2}})
    deleted = await core("DELETE", f"{TASKS}/a")
    assert deleted.status == 200
    told = await some(await core.watch(TASKS, resourceVersion=made["metadata"]["resourceVersion"]), 2)
    assert [type_ for type_, _ in told] == ["MODIFIED", "DELETED"]
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in told]
    assert versions == sorted(set(versions)) and versions[0] > int(made["metadata"]["resourceVersion"])
    core.api.store._state.history._floor = versions[-1]  # type: ignore[attr-defined]
    ((type_, status),) = await some(await core.watch(TASKS, resourceVersion="1"), 1)
    assert (type_, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1")


async def test_objects_enter_and_leave_a_selection(core: Core) -> None:
    lines = await core.watch(TASKS, labelSelector="tier=front")
    await core("POST", TASKS, task("a"))
    for tier in ("front", "back", "front"):
        await core.merge(f"{TASKS}/a", {"metadata": {"labels": {"tier": tier}}})
    await core.merge(f"{TASKS}/a", {"spec": {"replicas": 2}})
    assert [type_ for type_, _ in await some(lines, 4)] == ["ADDED", "DELETED", "ADDED", "MODIFIED"]


async def test_bookmarks_at_the_end(core: Core) -> None:
    lines = await core.watch(
        TASKS, allowWatchBookmarks="true", timeoutSeconds="1", resourceVersion=str(core.api.store.revision)
    )
    await core("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    (told,) = [event async for event in lines]
    assert told["type"] == "BOOKMARK"
    assert told["object"]["metadata"]["resourceVersion"] == str(core.api.store.revision)


async def test_initial_events_end(core: Core) -> None:
    await core("POST", TASKS, task("a"))
    lines = await core.watch(
        TASKS, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true"
    )
    told = await some(lines, 2)
    assert [type_ for type_, _ in told] == ["ADDED", "BOOKMARK"]
    assert told[1][1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_tables(core: Core) -> None:
    await core("POST", TASKS, task("a"))
    table = (await core("GET", TASKS, accept=TABLE)).body
    assert (table["kind"], table["rows"][0]["cells"][0]) == ("Table", "a")
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    lines = await core.watch(TASKS, accept=TABLE)
    await core("POST", TASKS, task("b"))
    first, second = await some(lines, 2)
    assert first[1]["columnDefinitions"] and not second[1]["columnDefinitions"]
    assert second[1]["rows"][0]["cells"][0] == "b"


# By a field


def assignment(name: str, server: str) -> dict[str, Any]:
    spec = {"server": server, "slot": "0", "attempt": 1, "template": {"command": ["x"]}}
    return {
        "apiVersion": ASSIGNMENT.api_version,
        "kind": ASSIGNMENT.kind,
        "metadata": {"name": name},
        "spec": spec,
    }


async def names(client: Client, kind: Kind, selector: str, since: str, count: int) -> list[tuple[str, str]]:
    """The first events of a watch, as type and name; bookmarks aside."""
    told = []
    async with aclosing(client.watch(kind, "default", resource_version=since, field_selector=selector)) as events:
        async for event in events:
            if event.type != "BOOKMARK":
                told.append((event.type, msgspec.json.decode(event.object)["metadata"]["name"]))
            if len(told) == count:
                break
    return told


async def test_many_on_the_wire_each_hear_of_their_own_server(client: Client) -> None:
    servers = [f"s{number}" for number in range(20)]
    since = (await client.list(ASSIGNMENT, "default")).resource_version
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        early = [group.create_task(names(client, ASSIGNMENT, f"spec.server={one}", since, 3)) for one in servers]
        for round_ in range(2):
            for one in servers:
                await client.create(ASSIGNMENT, assignment(f"{one}-{round_}", one), "default")
        for one in servers:
            await client.patch(
                ASSIGNMENT, f"{one}-0", {"status": {"phase": "Running"}}, "default", subresource="status"
            )
    late = [await names(client, ASSIGNMENT, f"spec.server={one}", since, 3) for one in servers[:3]]
    expected = [[("ADDED", f"{one}-0"), ("ADDED", f"{one}-1"), ("MODIFIED", f"{one}-0")] for one in servers]
    assert [one.result() for one in early] == expected
    assert late == expected[:3]


PAINTS = "/apis/example.com/v1/namespaces/default/paints"


@pytest.fixture
async def paints(core: Core) -> AsyncIterator[None]:
    """A kind whose selectable field may change, and has a default."""
    colored = {"color": {"type": "string", "default": "red"}, "size": {"type": "integer"}}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": colored, "default": {}}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "schema": {"openAPIV3Schema": schema},
    }
    named = {"plural": "paints", "singular": "paint", "kind": "Paint"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "paints.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": named, "versions": [version]},
    }
    made = await core("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    assert made.status == 201, made.body
    async with asyncio.timeout(10):
        while (await core("GET", PAINTS)).status != 200:
            await asyncio.sleep(0)
    yield


def paint(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Paint", "metadata": {"name": name}, "spec": spec}


async def told_of(lines: Any, count: int) -> list[tuple[str, str, str]]:
    async with asyncio.timeout(10):
        return [(type_, obj["metadata"]["name"], obj["spec"]["color"]) for type_, obj in await some(lines, count)]


async def test_objects_enter_and_leave_a_fields_value(core: Core, paints: None) -> None:
    await core("POST", PAINTS, paint("a"))
    since = str(core.api.store.revision)
    red, blue = [await core.watch(PAINTS, fieldSelector=f"spec.color={color}") for color in ("red", "blue")]
    await core("POST", PAINTS, paint("b", color="green"))
    await core.merge(f"{PAINTS}/a", {"spec": {"color": "blue"}})
    await core.merge(f"{PAINTS}/a", {"spec": {"size": 2}})
    await core.merge(f"{PAINTS}/a", {"spec": {"color": None}})
    await core("DELETE", f"{PAINTS}/a")
    in_red = [("ADDED", "a", "red"), ("DELETED", "a", "red"), ("ADDED", "a", "red"), ("DELETED", "a", "red")]
    in_blue = [("ADDED", "a", "blue"), ("MODIFIED", "a", "blue"), ("DELETED", "a", "blue")]
    assert await told_of(red, 4) == in_red
    assert await told_of(blue, 3) == in_blue
    resumed = await core.watch(PAINTS, fieldSelector="spec.color=red", resourceVersion=since)
    assert await told_of(resumed, 3) == in_red[1:]


async def test_the_rest_of_a_selector_counts_too(core: Core, paints: None) -> None:
    lines = await core.watch(
        PAINTS.replace("/namespaces/default", ""),
        fieldSelector="metadata.namespace=default,spec.color=red,metadata.name!=b",
        labelSelector="shop=one",
    )
    for name, color, shop in (("a", "red", "two"), ("b", "red", "one"), ("c", "blue", "one"), ("d", "red", "one")):
        body = paint(name, color=color)
        body["metadata"]["labels"] = {"shop": shop}
        await core("POST", PAINTS, body)
    await core.merge(f"{PAINTS}/a", {"metadata": {"labels": {"shop": "one"}}})
    assert await told_of(lines, 2) == [("ADDED", "d", "red"), ("ADDED", "a", "red")]


async def test_one_that_is_told_nothing_has_the_current_revision_in_its_bookmark(core: Core, paints: None) -> None:
    lines = await core.watch(
        PAINTS, fieldSelector="spec.color=black", allowWatchBookmarks="true", timeoutSeconds="1",
        resourceVersion=str(core.api.store.revision),
    )  # fmt: skip
    for name in ("a", "b"):
        await core("POST", PAINTS, paint(name))
    (told,) = [event async for event in lines]
    assert told["type"] == "BOOKMARK"
    assert told["object"]["metadata"]["resourceVersion"] == str(core.api.store.revision)


async def test_by_name(core: Core) -> None:
    lines = await core.watch(TASKS, fieldSelector="metadata.name=b")
    for name in ("a", "b"):
        await core("POST", TASKS, task(name))
    await core("DELETE", f"{TASKS}/b")
    assert [(type_, obj["metadata"]["name"]) for type_, obj in await some(lines, 2)] == [
        ("ADDED", "b"),
        ("DELETED", "b"),
    ]
