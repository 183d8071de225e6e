"""Servers and pools: planned together every second, for silence is time, and when one of them changes."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from starlink.api.change import Change
from starlink.api.kinds import POOL, SERVER
from starlink.api.server import Server
from starlink.client.rights import of
from starlink.planning.contract import ASSIGNMENTS, POOLS, SERVERS, TASKS
from starlink.planning.plan import Plan
from starlink_operator.controller import Entry, Surroundings
from starlink_operator.fleet_plans import FleetPlans
from starlink_operator.kinds.task import what_matters
from starlink_operator.observed import Reads
from starlink_operator.telling import Subject


class Fleet:
    """The controller of servers and pools."""

    kinds = (SERVER, POOL)
    settles, periodic = 0.05, True

    def __init__(self, around: Surroundings) -> None:
        self.some = asyncio.Event()
        self._observed, self._monotonic = around.observed, around.monotonic
        self._plans = FleetPlans(around.reservations, around.waits)
        self._observed.servers.subscribe(self._server_changed)
        self._observed.pools.subscribe(lambda _: self.some.set())
        self._observed.on_return(lambda _: self.some.set())

    def _server_changed(self, change: Change[Server]) -> None:
        if change.old is None or change.new is None or what_matters(change.old) != what_matters(change.new):
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
        caches: tuple[tuple[Any, Any], ...] = ((SERVER, self._observed.servers), (POOL, self._observed.pools))
        return [(kind, key) for kind, cache in caches for key in cache.objects]

    def plan(self, subjects: Collection[Subject]) -> Sequence[Plan]:
        return self._plans.due(self._observed.world(), self._monotonic())


WRITES = [right for kind in (SERVER, POOL) for right in (*of(kind, "patch"), *of(kind, "patch", sub="status"))]
ENTRY = Entry(Fleet, Reads(many=(TASKS, ASSIGNMENTS, SERVERS), few=(POOLS,)), writes=WRITES)
