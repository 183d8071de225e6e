"""From the creation of sets until each instance is bound, durable, and seen by the watch of its server's agent."""

import asyncio
import math
import time
from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from bench import fleet
from bench.endpoint import Endpoint
from bench.fleet import Fleet
from bench.kube.quality import Placed
from bench.kube.sites import Site
from bench.kube.sizes import Sizes
from bench.kube.workloads import NAMESPACE, Workload
from bench.load import request
from starlink.client.kube import Client

LOOK_SECONDS = 0.5
SETTLED_SECONDS = 30.0
"""The longest wait for what comes after a workload."""
QUIET = 0.15
"""Of a core, above what it uses at rest."""
STILL = 4
"""Looks at which nothing new was bound: then nothing more will be."""


@dataclass(frozen=True, slots=True)
class Run:
    """Instances a second; the milliseconds of CPU that all parts took for each, up to the last that was seen; how many
    were bound anew, for their server was held to be lost."""

    rate: float
    cpu: float
    anew: int


class Course:
    """One site with its fleet: workloads are placed on it one after the other."""

    def __init__(self, site: Site, machines: Fleet, client: Client, sizes: Sizes) -> None:
        self._site = site
        self._machines = machines
        self._client = client
        self._sizes = sizes
        self._expected = 0
        self._at_rest = math.inf

    async def ready(self) -> None:
        """Waits until the fleet stands, all servers may be chosen, and what that brought with it is done."""
        await self._machines.ready()
        async with asyncio.timeout(fleet.READY_SECONDS):
            while await self._ready_servers() < self._sizes.servers:
                await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(self._sizes.rest_seconds)
        self._at_rest = await self._use()

    async def settled(self) -> None:
        """Waits until what comes after a workload is done: statuses and Events."""
        end = time.monotonic() + SETTLED_SECONDS
        while await self._use() > self._at_rest + QUIET and time.monotonic() < end:
            pass

    async def place(self, workload: Workload) -> Run:
        """Creates its sets and waits for the last instance. Raises RuntimeError when one is refused."""
        self._expected += workload.instances
        self._machines.expect(self._expected)
        before, began = self._cpu(), time.monotonic()
        await asyncio.to_thread(self._create, workload)
        seen = await self._machines.seen()
        cpu = self._cpu() - before
        await self.settled()
        self._machines.expect(0)  # what it has seen by now
        expected, self._expected = self._expected, sum((await self._machines.seen()).counts)
        return Run(workload.instances / (seen.at - began), 1000 * cpu / workload.instances, self._expected - expected)

    async def overfill(self, workload: Workload) -> None:
        """Creates more than fits, and waits until some is bound and then nothing more. No other workload may follow.
        Raises TimeoutError."""
        before = bound = len(await self._bound())
        await asyncio.to_thread(self._create, workload)
        still = 0
        async with asyncio.timeout(fleet.SEEN_SECONDS):
            while still < STILL or bound == before:
                await asyncio.sleep(LOOK_SECONDS)
                now = len(await self._bound())
                still, bound = (still + 1 if now == bound else 0), now

    async def placed(self, workloads: Collection[Workload]) -> list[Placed]:
        """All that is bound, of these workloads."""
        by_name = {one.name: one for one in workloads}
        found = []
        for server, set_ in await self._bound():
            name, _, number = set_.rpartition("-")
            found.append(Placed(server, name, int(number), by_name[name].cpu_of(int(number))))
        return found

    def _cpu(self) -> float:
        return self._site.cpu()

    async def _use(self) -> float:
        """The share of a core that all parts use."""
        before, began = self._cpu(), time.monotonic()
        await asyncio.sleep(self._sizes.quiet_seconds)
        return (self._cpu() - before) / (time.monotonic() - began)

    def _create(self, workload: Workload) -> None:
        written = self._site.words.written

        def make(number: int) -> bytes:
            path, body = written(workload, number)
            return request("POST", path, body)

        Endpoint(self._site.port, self._site.files).run(make, iter(range(workload.sets)))

    async def _ready_servers(self) -> int:
        words = self._site.words
        found = await self._client.list(words.server)
        return sum(words.is_ready(msgspec.json.decode(raw)) for raw in found.items)

    async def _bound(self) -> list[tuple[str, str]]:
        """The server and the set of each instance that is bound."""
        words = self._site.words
        found = (await self._client.list(words.bound, NAMESPACE)).items
        places = (words.place_of(msgspec.json.decode(raw)) for raw in found)
        return [(server, set_) for server, set_ in places if server]
