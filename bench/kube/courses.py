"""One round of a racer: a fleet, and one workload after the other on it, from an empty site to a zone that is full."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bench import fleet
from bench.fleet import Fleet
from bench.kube import workloads
from bench.kube.ledger import ON_KUBERNETES, STARLINK, Ledger, Measure
from bench.kube.placing import Course
from bench.kube.quality import Quality, judge
from bench.kube.sites import Site
from bench.kube.sizes import Sizes
from bench.kube.workloads import Workload
from starlink.client.config import load
from starlink.client.kube import Client

IN_SETS, SINGLE, ON_THE_SAME = 10.0, 4.0, 1.5
SPREAD, APART = 8.0, 20.0
CPU, AT_REST, FILLED = 1 / 12, 1 / 4, 1 / 8
NEVER_WORSE = (STARLINK, 1.0), (ON_KUBERNETES, 1.0)


async def run(site: Site, sizes: Sizes, ledger: Ledger, *, many: bool = True) -> None:
    """Measures one racer once; `many`: with the larger number of instances too. Raises ClientError, RuntimeError,
    TimeoutError."""
    await asyncio.sleep(sizes.rest_seconds)
    at_rest = Measure("memory (PSS) at rest, all parts", "MB", at_most=((STARLINK, AT_REST),))
    ledger.note(at_rest, site.racer, site.memory())
    with _fleet(site, sizes) as machines:
        async with Client(load(site.kubeconfig)) as client:
            course = Course(site, machines, client, sizes)
            await course.ready()
            await Round(course, site, sizes, ledger).run(many=many)


@contextmanager
def _fleet(site: Site, sizes: Sizes) -> Iterator[Fleet]:
    machines = Fleet.of(site.words.machine, site.kubeconfig, sizes.servers)
    try:
        yield machines
    finally:
        machines.stop()


class Round:
    """What is placed, in this order."""

    def __init__(self, course: Course, site: Site, sizes: Sizes, ledger: Ledger) -> None:
        self._course = course
        self._site = site
        self._sizes = sizes
        self._ledger = ledger
        self._placed: list[Workload] = []
        self._anew = 0
        self._zones = {fleet.name(number): fleet.zone(number) for number in range(sizes.servers)}

    async def run(self, *, many: bool) -> None:
        """All of it. What has a constraint, and what is more than fits, is a matter of the scheduler alone: it is not
        asked once more on the other API server."""
        sizes, alone = self._sizes, self._site.racer != ON_KUBERNETES
        await self._few(*workloads.few(sizes))
        if alone:
            await self._constrained(workloads.spread(sizes), workloads.apart(sizes))
        if many:
            await self._many(*workloads.many(sizes))
        self._note("instances that were bound anew, for their server was held to be lost", "", self._anew)
        if alone:
            await self._overfilled(workloads.unlike(sizes))

    async def _few(self, sets: Workload, single: Workload) -> None:
        await self._place(sets, IN_SETS)
        quality = await self._judge(sets)
        self._note(f"{sets}: instances by which servers differ", "", quality.unevenness, at_most=NEVER_WORSE)
        await self._place(single, SINGLE)

    async def _constrained(self, spread: Workload, apart: Workload) -> None:
        await self._place(spread, SPREAD)
        skew = (await self._judge(spread)).skew
        self._note(f"{spread}: instances by which a set's zones differ, at most", "", skew, at_most=NEVER_WORSE)
        await self._place(apart, APART)
        together = (await self._judge(apart)).together
        self._note(f"{apart}: pairs on one server all the same", "", together, at_most=NEVER_WORSE)

    async def _many(self, sets: Workload, single: Workload) -> None:
        await self._place(sets, IN_SETS)
        await self._place(single, SINGLE)
        instances = sum(one.instances for one in (*workloads.few(self._sizes), sets, single))
        name = f"memory (PSS) with some {instances} instances on {self._sizes.servers} servers, all parts"
        self._note(name, "MB", self._site.memory(), at_most=((STARLINK, FILLED),))

    async def _overfilled(self, unlike: Workload) -> None:
        self._placed.append(unlike)
        await self._course.overfill(unlike)
        quality = await self._judge(unlike)
        self._note(f"{unlike}: CPU that is asked for then", "%", 100 * quality.use, at_least=NEVER_WORSE)
        self._note(f"{unlike}: servers that were given more than they have", "", quality.overfull, at_most=NEVER_WORSE)

    async def _place(self, workload: Workload, at_least: float) -> None:
        self._placed.append(workload)
        done = await self._course.place(workload)
        goals = ((STARLINK, at_least), (ON_KUBERNETES, ON_THE_SAME))
        name = f"{workload} onto {self._sizes.servers} servers: created → bound, durable, seen by its agent's watch"
        self._note(name, "instances/s", done.rate, at_least=goals)
        self._note(f"{workload}: CPU of all parts", "ms/instance", done.cpu, at_most=((STARLINK, CPU),))
        self._anew += done.anew

    async def _judge(self, workload: Workload) -> Quality:
        placed = await self._course.placed(self._placed)
        return judge(placed, workload, self._zones, workloads.MACHINE)

    def _note(self, name: str, unit: str, value: float, **goals: tuple[tuple[str, float], ...]) -> None:
        self._ledger.note(Measure(name, unit, **goals), self._site.racer, value)
