"""Servers and pools: planned together every second, for silence is time, and when one of them changes."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from starlink.api.change import Change
from starlink.client.rights import of
from starlink.engine.rounds.fleet import PLANNERS
from starlink.planning.contract import ASSIGNMENTS, POOLS, SERVERS, TASKS
from starlink.planning.plan import Plan
from starlink_operator.caches import Reads
from starlink_operator.controller import Entry, Surroundings
from starlink_operator.fleet_plans import FleetPlans
from starlink_operator.reporting import Subject


class Fleet:
    """The controller of servers and pools."""

    kinds = tuple(planner.subject.kind for planner in PLANNERS)
    settles, periodic = 0.05, True

    def __init__(self, around: Surroundings) -> None:
        self.some = asyncio.Event()
        self._observed, self._monotonic = around.observed, around.monotonic
        self._plans = FleetPlans(around.reservations, around.waits)
        for kind in self.kinds:
            self._observed.cache(kind).subscribe(self._changed)
        self._observed.on_return(lambda _: self.some.set())

    def _changed(self, change: Change[Any]) -> None:
        if any(planner.wakes(change, self._observed) for planner in PLANNERS):
            self.some.set()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def begin(self) -> None:
        self.some.set()

    def look(self, subject: Subject) -> None:
        """All are looked at every second anyway."""

    def look_at_all(self) -> None:
        self.some.set()

    def awaited(self, subject: Subject) -> bool:
        return False

    def tick(self) -> None:
        self.some.set()

    def take(self) -> Collection[Subject]:
        self.some.clear()
        return [(planner.subject.kind, key) for planner in PLANNERS for key in self._observed.all(planner.subject)]

    def plan(self, subjects: Collection[Subject]) -> Sequence[Plan]:
        return self._plans.due(self._observed.world(), self._monotonic(), frozenset(subjects))


WRITES = [right for kind in Fleet.kinds for right in (*of(kind, "patch"), *of(kind, "patch", sub="status"))]
ENTRY = Entry(Fleet, Reads(many=(TASKS, ASSIGNMENTS, SERVERS), few=(POOLS,)), writes=WRITES)
