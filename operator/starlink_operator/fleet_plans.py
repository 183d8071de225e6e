"""Servers and pools: planned every second, for silence is time, and told when it is worth it."""

from collections.abc import Callable, Container, Sequence

from starlink.api.kinds import POOL, SERVER
from starlink.engine.rounds.fleet import plan_fleet
from starlink.engine.rounds.reservations import Reservations
from starlink.planning.plan import Plan
from starlink.planning.world import World
from starlink_operator.reporting import Subject

ALLOCATED_SECONDS = 10.0
ALLOCATED_EACH = 0.05
"""So many seconds more between two statuses that tell what is allocated, for each server."""
POOLS_SECONDS = 1.0
"""Between two statuses of a pool that tell amounts alone: who can't read servers plans by them, and pools are few."""


class FleetPlans:
    """Which plans are due. `waits` says whether the plan of an object was refused, and the next try is to come."""

    def __init__(self, reservations: Reservations, waits: Callable[[Subject], bool]) -> None:
        self._reservations = reservations
        self._waits = waits
        self._allocated_at = self._pools_at = float("-inf")

    def due(self, world: World, now: float, among: Container[Subject] | None = None) -> Sequence[Plan]:
        """The plans to apply now (monotonic), of all or those `among` these. What is allocated is told now and then."""
        pause = max(ALLOCATED_SECONDS, ALLOCATED_EACH * len(world.servers))
        with_allocated = now - self._allocated_at >= pause
        with_pools = now - self._pools_at >= POOLS_SECONDS
        planned = plan_fleet(world, self._reservations, among, allocated=with_allocated)
        if with_allocated:
            self._allocated_at = now
        if with_pools:
            self._pools_at = now
        due = {SERVER: with_allocated, POOL: with_pools}
        return [
            plan
            for plan in planned
            if (due[plan.kind] or not plan.may_wait) and not self._waits((plan.kind, plan.subject))
        ]
