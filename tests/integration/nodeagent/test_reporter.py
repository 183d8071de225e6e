"""Reports of Assignments that change, go, and are made anew under their name, at a real API server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.integration.client.cutting import BEFORE_THE_ANSWER, IN_THE_ANSWER, IN_THE_REQUEST, Cut, cutting
from tests.integration.client.test_bulk import Counting
from tests.integration.conftest import Wire
from tests.integration.nodeagent.test_agent import assignment
from tests.kube.control_plane import ControlPlane

from starlink.api.kinds import ASSIGNMENT, Kind
from starlink.api.meta import ObjectKey
from starlink.client.kube import Client
from starlink_nodeagent.reporting.reporter import Reporter

KEY = ObjectKey("default", "web-0")

Obj = dict[str, Any]


@contextlib.asynccontextmanager
async def reporting(client: Client) -> AsyncIterator[Reporter]:
    reporter = Reporter(client, "s1", lambda: 1_900_000_000.0)
    running = asyncio.create_task(reporter.run())
    yield reporter
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.fixture
async def reporter(client: Client) -> AsyncIterator[Reporter]:
    async with reporting(client) as made:
        yield made


def said(phase: str) -> Obj:
    return {"phase": phase, "conditions": []}


async def made(client: Client) -> Obj:
    return await client.create(ASSIGNMENT, assignment("web-0"), "default")


async def made_anew(client: Client) -> tuple[Obj, Obj]:
    """The metadata of an Assignment that is gone, and of the one that bears its name now."""
    old = await made(client)
    await client.delete(ASSIGNMENT, "web-0", "default")
    return old["metadata"], (await made(client))["metadata"]


def settled(reporter: Reporter) -> Callable[[], bool]:
    return lambda: not reporter._wanted and not reporter._sending


async def told(client: Client) -> Obj:
    found: Obj = (await client.get(ASSIGNMENT, "web-0", "default")).get("status", {})
    return found


@pytest.mark.parametrize("version", ["", "old", "new"])
async def test_news_of_one_that_is_gone_reach_none_made_anew(client: Client, reporter: Reporter, version: str) -> None:
    """Whatever version the agent takes for that of the one that is gone, but for one that it can't have heard of it."""
    old, new = await made_anew(client)
    known = {"": "", "old": old["resourceVersion"], "new": str(int(new["resourceVersion"]) + 1)}[version]
    reporter.tell(old["uid"], KEY, said("Stopped"), known)
    await soon(settled(reporter), "the report is given up")
    assert await told(client) == {}
    reporter.tell(new["uid"], KEY, said("Running"), new["resourceVersion"])
    await soon(settled(reporter), "the report is sent")
    assert (await told(client))["phase"] == "Running"


async def test_news_after_others_have_written(client: Client, reporter: Reporter) -> None:
    uid, version = (await made(client))["metadata"]["uid"], ""
    for phase, desired in (("Starting", "Running"), ("Running", "Stopped"), ("Stopped", "Stopped")):
        reporter.tell(uid, KEY, said(phase), version)
        await soon(settled(reporter), "the report is sent")
        assert (await told(client))["phase"] == phase
        version = (await client.get(ASSIGNMENT, "web-0", "default"))["metadata"]["resourceVersion"]
        patch = {"metadata": {"annotations": {"seen": phase}}, "spec": {"desired": desired}}
        await client.patch(ASSIGNMENT, "web-0", patch, "default")


class Looking(Client):
    """Counts how often an object is looked at."""

    looks = 0

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Obj:
        self.looks += 1
        return await super().get(kind, name, namespace)


async def test_a_version_that_was_heard_saves_a_look(client: Client) -> None:
    metadata = (await made(client))["metadata"]
    async with Looking(client.config) as looking, reporting(looking) as reporter:
        for phase in ("Starting", "Running"):
            reporter.tell(metadata["uid"], KEY, said(phase), metadata["resourceVersion"])
            await soon(settled(reporter), "the report is sent")
        assert looking.looks == 0 and (await told(client))["phase"] == "Running"
        reporter.forget(metadata["uid"])
        assert not reporter._versions, "nothing is kept of what is gone"


MANY = 100


async def made_many(client: Client) -> list[Obj]:
    """The metadata of a hundred Assignments."""
    made = [client.create(ASSIGNMENT, assignment(f"web-{number}"), "default") for number in range(MANY)]
    return [one["metadata"] for one in await asyncio.gather(*made)]


async def all_told(client: Client) -> dict[str, str]:
    found = [msgspec.json.decode(item) for item in (await client.list(ASSIGNMENT, "default")).items]
    return {one["metadata"]["name"]: one.get("status", {}).get("phase", "") for one in found}


@pytest.mark.on_both
async def test_reports_that_come_together_go_in_few_requests_where_the_server_takes_them(
    wire: Wire, client: Client, elsewhere: ControlPlane | None
) -> None:
    metas = await made_many(client)
    async with Counting(wire.config()) as counting, reporting(counting) as reporter:
        for phase in ("Starting", "Running"):
            for meta in metas:
                reporter.tell(meta["uid"], ObjectKey("default", meta["name"]), said(phase), meta["resourceVersion"])
            await soon(settled(reporter), "the reports are sent", 60.0)
            assert {*(await all_told(client)).values()} == {phase}
    assert (counting.sent["many"] > 0, counting.sent["one"] < MANY) == ((elsewhere is None,) * 2)


@pytest.mark.parametrize("cut", [IN_THE_REQUEST, BEFORE_THE_ANSWER, IN_THE_ANSWER])
async def test_what_a_lost_connection_leaves_in_doubt_is_told_again(wire: Wire, client: Client, cut: Cut) -> None:
    metas = await made_many(client)
    async with cutting(wire.port) as way, Counting(Wire(way.port, wire.pki).config()) as counting:
        async with reporting(counting) as reporter:
            for phase in ("Starting", "Running", "Stopped"):
                way.cuts = [cut]
                for meta in metas:
                    reporter.tell(meta["uid"], ObjectKey("default", meta["name"]), said(phase), meta["resourceVersion"])
                await soon(settled(reporter), "the reports are sent", 60.0)
                assert {*(await all_told(client)).values()} == {phase}
        assert way.lost >= 1 and counting.sent["many"] >= 1
