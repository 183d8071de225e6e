"""The operator over an API server that takes many writes in one request, and over one that does not."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.crash.site import ApiServer
from tests.integration.client.cutting import BEFORE_THE_ANSWER, IN_THE_ANSWER, IN_THE_REQUEST, Cut, cutting
from tests.integration.client.test_bulk import Counting
from tests.integration.conftest import Wire, obj_of
from tests.kube.control_plane import ControlPlane

from starlink.api.kinds import ASSIGNMENT, SERVER, TASK
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink_nodeagent.server.heartbeat import renew
from starlink_operator.caches import Caches
from starlink_operator.reconciler import Reconciler
from starlink_operator.writer import Writer

ROOM = {"cpu": "400", "memory": "800Gi"}
SERVERS = ("s1", "s2", "s3")

Obj = dict[str, Any]


@asynccontextmanager
async def operating(client: Client, through: Client | None = None) -> AsyncIterator[Caches]:
    """The operator, but for its leadership, which writes `through` a client of its own."""
    observed = Caches(client, time.monotonic, time.time, lambda: 1.0)
    writer = Writer(through or client, observed, time.time, lambda: True)
    tasks = [asyncio.create_task(observed.run()), asyncio.create_task(_beat(client))]
    try:
        await observed.synced()
        tasks.append(asyncio.create_task(Reconciler(observed, writer, time.monotonic).run()))
        yield observed
        assert not any(one.done() for one in tasks)
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _beat(client: Client) -> None:
    while True:
        for name in SERVERS:
            try:
                await renew(client, name, time.time())
            except ClientError:
                break  # it is killed, in some tests
        await asyncio.sleep(1.0)


async def furnish(client: Client, tasks: dict[str, int]) -> None:
    """Servers with room, and tasks of so many instances."""
    for name in SERVERS:
        await client.create(SERVER, obj_of(SERVER, name, spec={}))
        told = {"architecture": "amd64", "capacity": ROOM, "allocatable": ROOM, "runtimes": ["Process"]}
        await client.patch(SERVER, name, {"status": told}, subresource="status")
    for name, replicas in tasks.items():
        spec = {"replicas": replicas, "template": {"command": ["run"], "resources": {"requests": {"cpu": "1"}}}}
        await client.create(TASK, obj_of(TASK, name, spec=spec), "default")


async def assignments(client: Client) -> Sequence[Obj]:
    return [msgspec.json.decode(item) for item in (await client.list(ASSIGNMENT, "default")).items]


async def world(client: Client) -> Sequence[Obj]:
    """What is declared, without what differs from one world to another."""
    found = [
        {"name": one["metadata"]["name"], "labels": one["metadata"]["labels"], "spec": one["spec"]}
        for one in await assignments(client)
    ]
    return sorted(found, key=lambda one: str(one["name"]))


def check(found: Sequence[Obj], tasks: dict[str, int]) -> None:
    """Each instance is there once, at its first attempt, and the servers are filled evenly."""
    slots = Counter((one["metadata"]["labels"]["starlink.dev/task"], one["spec"]["slot"]) for one in found)
    assert slots == Counter((name, str(slot)) for name, replicas in tasks.items() for slot in range(replicas))
    assert {one["spec"]["attempt"] for one in found} == {1}
    counts = Counter(one["spec"]["server"] for one in found)
    assert max(counts.values()) - min(counts.values()) <= len(tasks)


TASKS = {"web": 60, **{f"one-{number}": 1 for number in range(40)}}


async def all_there(observed: Caches, tasks: dict[str, int], seconds: float = 60.0) -> None:
    await soon(lambda: len(observed.assignments.objects) == sum(tasks.values()), "all are there", seconds)


@pytest.mark.on_both
async def test_the_world_is_made_in_few_requests_where_the_server_takes_them(
    wire: Wire, client: Client, elsewhere: ControlPlane | None
) -> None:
    await furnish(client, TASKS)
    async with Counting(wire.config()) as through, operating(client, through) as observed:
        await all_there(observed, TASKS)
    check(await assignments(client), TASKS)
    assert (through.sent["many"] > 0) == (elsewhere is None)


async def test_the_world_is_the_same_with_and_without(wire: Wire, client: Client) -> None:
    worlds = []
    for bulk in (True, False):
        await furnish(client, TASKS)
        async with Counting(wire.config(), bulk=bulk) as through, operating(client, through) as observed:
            await all_there(observed, TASKS)
        assert (through.sent["many"] > 0) == bulk
        worlds.append(await world(client))
        await _clear(client)
    with_it, without = ([{**one, "spec": {**one["spec"], "server": ""}} for one in found] for found in worlds)
    assert with_it == without


async def _clear(client: Client) -> None:
    for kind in (ASSIGNMENT, TASK, SERVER):
        for item in (await client.list(kind)).items:
            meta = msgspec.json.decode(item)["metadata"]
            if meta.get("finalizers"):
                await client.patch(kind, meta["name"], {"metadata": {"finalizers": None}}, meta.get("namespace", ""))
            await client.delete(kind, meta["name"], meta.get("namespace", ""))


@pytest.mark.parametrize("cut", [IN_THE_REQUEST, BEFORE_THE_ANSWER, IN_THE_ANSWER])
async def test_nothing_is_lost_or_done_twice_when_connections_are_cut(wire: Wire, client: Client, cut: Cut) -> None:
    tasks = {"web": 300, "api": 100}
    await furnish(client, tasks)
    async with cutting(wire.port) as way, Counting(Wire(way.port, wire.pki).config()) as through:
        way.cuts = [cut] * 3
        async with operating(client, through) as observed:
            await all_there(observed, tasks)
    assert way.lost >= 1 and through.sent["many"] >= 1
    check(await assignments(client), tasks)


@pytest.mark.timeout(240)
async def test_nothing_is_lost_or_done_twice_when_the_server_is_killed(tmp_path: Any) -> None:
    """kill -9 while five hundred are written."""
    tasks = {"web": 300, "api": 100, **{f"one-{number}": 1 for number in range(100)}}
    server = ApiServer(tmp_path / "server")
    try:
        server.start()
        await asyncio.to_thread(server.wait)
        async with Client(server.config()) as client, Counting(server.config()) as through:
            await furnish(client, tasks)
            async with operating(client, through) as observed:
                await soon(lambda: through.sent["many"] > 0, "many are on their way", 60.0)
                server.kill()
                before = len(observed.assignments.objects)
                server.start()
                await asyncio.to_thread(server.wait)
                await all_there(observed, tasks, 120.0)
            check(await assignments(client), tasks)
        assert before < 500 and server.complaints() == []
    finally:
        server.kill()
