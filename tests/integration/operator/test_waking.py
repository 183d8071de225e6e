"""Who is looked at again when something else changes: long before the round in which all are. A real server and watch;
the agent only says what it is told to."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.conftest import soon
from tests.integration.conftest import Wire, obj_of

from starlink.api.kinds import ASSIGNMENT, POOL, SERVER, TASK
from starlink.client.kube import Client
from starlink_nodeagent.server.heartbeat import renew
from starlink_operator.caches import Caches
from starlink_operator.reconciler import Reconciler
from starlink_operator.writer import Writer

pytestmark = pytest.mark.on_both
ROOM = {"cpu": "4", "memory": "8Gi"}


class Site:
    """A server of 4 cpu whose instances run, or stop, as they are told; and the operator, but for its leadership."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.observed = Caches(client, time.monotonic, time.time, lambda: 1.0)
        writer = Writer(client, self.observed, time.time, lambda: True)
        self._reconciler = Reconciler(self.observed, writer, time.monotonic)
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        server = obj_of(SERVER, "s1", spec={})
        server["metadata"]["labels"] = {"zone": "a"}
        await self.client.create(SERVER, server)
        told = {"architecture": "amd64", "capacity": ROOM, "allocatable": ROOM, "runtimes": ["Process"]}
        await self.client.patch(SERVER, "s1", {"status": told}, subresource="status")
        await renew(self.client, "s1", time.time())
        self._tasks.append(asyncio.create_task(self.observed.run()))
        await self.observed.synced()
        self._tasks += [asyncio.create_task(self._obey()), asyncio.create_task(self._reconciler.run())]

    async def end(self) -> None:
        for one in self._tasks:
            one.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _obey(self) -> None:
        while True:
            await renew(self.client, "s1", time.time())
            for one in list(self.observed.assignments.objects.values()):
                phase = "Stopped" if one.stopping else "Running"
                if one.status.phase != phase:
                    status = {"phase": phase, "ready": not one.stopping}
                    await self.client.patch(
                        ASSIGNMENT, one.name, {"status": status}, one.key.namespace, subresource="status"
                    )
            await asyncio.sleep(0.05)

    async def apply(self, name: str, labels: dict[str, str] | None = None, **spec: Any) -> None:
        manifest = obj_of(TASK, name, spec={**spec, "template": template()})
        manifest["metadata"]["labels"] = labels or {}
        await self.client.create(TASK, manifest, "default")

    async def change(self, name: str, **body: Any) -> None:
        await self.client.patch(TASK, name, body, "default")

    async def pool(self, name: str, **spec: Any) -> None:
        await self.client.create(POOL, obj_of(POOL, name, spec=spec))
        await self.observed.pools.refresh()

    def running(self, name: str) -> int:
        found = self.observed.assignments.objects.values()
        return sum(1 for one in found if one.task == name and one.status.phase == "Running" and not one.stopping)

    def refused(self, name: str) -> bool:
        told = [task.status.conditions for key, task in self.observed.tasks.objects.items() if key.name == name]
        return any(one.type == "Scheduled" and one.status == "False" for conditions in told for one in conditions)


def template() -> dict[str, Any]:
    return {"command": ["run"], "resources": {"requests": {"cpu": "2"}}}


@pytest.fixture
async def site(wire: Wire) -> AsyncIterator[Site]:
    async with Client(wire.config()) as client:
        made = Site(client)
        await made.begin()
        yield made
        await made.end()


async def test_a_budget_that_is_raised(site: Site) -> None:
    await site.apply("low", replicas=2, update={"maxUnavailable": 0})
    await soon(lambda: site.running("low") == 2, "low runs")
    await site.apply("high", placement={"priority": 5})
    await soon(lambda: site.refused("high"), "high finds no place")
    await site.change("low", spec={"update": {"maxUnavailable": 1}})
    await soon(lambda: site.running("high") == 1, "high has taken it")


async def test_one_that_keeps_away_no_longer(site: Site) -> None:
    near = {"topologyKey": "kubernetes.io/hostname"}
    await site.apply("shy", placement={"antiAffinity": [{"task": "other", **near}]})
    await soon(lambda: site.running("shy") == 1, "shy runs")
    await site.apply("other")
    await soon(lambda: site.refused("other"), "the other finds no place")
    await site.change("shy", spec={"placement": {"antiAffinity": None}})
    await soon(lambda: site.running("other") == 1, "the other runs")


async def test_company_that_comes_and_gets_its_label(site: Site) -> None:
    near = {"taskSelector": {"tier": "cache"}, "topologyKey": "kubernetes.io/hostname"}
    await site.apply("follower", placement={"affinity": [near]})
    await soon(lambda: site.refused("follower"), "the follower finds no company")
    await site.apply("anchor")
    await soon(lambda: site.running("anchor") == 1, "the anchor runs")
    assert site.running("follower") == 0
    await site.change("anchor", metadata={"labels": {"tier": "cache"}})
    await soon(lambda: site.running("follower") == 1, "the follower runs")


async def test_a_pool_that_takes_servers_over(site: Site) -> None:
    await site.pool("p1", selector={"zone": "a"})
    await site.apply("t", placement={"pool": "p1"}, update={"maxUnavailable": "100%"})
    await soon(lambda: site.running("t") == 1, "it runs")
    await site.pool("p0", selector={"zone": "a"})
    await soon(lambda: site.running("t") == 0, "it has left the pool's server")
