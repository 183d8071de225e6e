"""Watches: what is told, in which order, and from where."""

from typing import Any

from tests.integration.conftest import TASKS, Core, task

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
