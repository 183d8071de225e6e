"""Servers and pools: what a count of the whole fleet says of each, and their plans."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from starlink.api.kinds import Kind
from starlink.api.meta import ObjectKey
from starlink.api.pool import Pool
from starlink.engine.rounds.asking import ask
from starlink.engine.rounds.draining import Drains
from starlink.engine.rounds.neighbours import Neighbours
from starlink.engine.rounds.outsiders import outsiders
from starlink.engine.rounds.pools import pool_use
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import must_move
from starlink.planning.containing import Contained
from starlink.planning.figures import Charged
from starlink.planning.health import assess
from starlink.planning.plan import Plan
from starlink.planning.pool import PoolPlanner, effective_pools
from starlink.planning.pool_use import PoolUse
from starlink.planning.server import ServerPlanner
from starlink.planning.world import World

PLANNERS = (ServerPlanner, PoolPlanner)


def plan_fleet(
    world: World,
    reservations: Reservations | None = None,
    among: Container[tuple[Kind, ObjectKey]] | None = None,
    *,
    allocated: bool = True,
) -> Sequence[Plan]:
    """The plans of all servers and pools, or of those `among` these. What is allocated changes often and is told only
    with `allocated`."""
    reservations = reservations or Reservations()
    contained = reservations.faults.contain(world)
    figures = _Count(contained, reservations, allocated=allocated)
    plans: list[Plan] = []
    for kind in PLANNERS:
        planner, objects = kind(figures), sorted(contained.world.all(kind.subject))
        keys = [key for key in objects if among is None or (kind.subject.kind, key) in among]
        plans += ask(planner, keys, contained.world)
    return plans


class _Count:
    """The `planning.figures.Figures` of a world."""

    def __init__(self, contained: Contained, reservations: Reservations, *, allocated: bool) -> None:
        world = contained.world
        self.faults: Mapping[str, str] = contained.pools
        self.pools = effective_pools(world)
        self.health = assess(world, self.pools)
        self._world, self._allocated = world, allocated
        self._fleet = reservations.follow(world, self.pools, self.health, Neighbours(world.tasks))
        self._drains = Drains(world, self.health, lambda task: must_move(task, world, self.pools))

    @cached_property
    def _outsiders(self) -> Mapping[str, tuple[str, ...]]:
        return outsiders(self._fleet, self._world.pools)

    def charged(self, server: str) -> Charged:
        fleet, index = self._fleet, self._fleet.index[server]
        amounts = {key: int(used[index]) for key, used in fleet.used.items()} if self._allocated else None
        return Charged(int(fleet.instances[index]), amounts, self._drains.held_up(server))

    def use(self, pool: Pool) -> PoolUse:
        use = replace(pool_use(self._fleet, pool), outsiders=self._outsiders.get(pool.name, ()))
        return replace(use, instances=self._instances(pool.name)) if pool.metadata.deleting else use

    def _instances(self, pool: str) -> int:
        """How many are on the servers of a pool."""
        members = (server for server, its in self.pools.items() if its == pool)
        return sum(int(self._fleet.instances[self._fleet.index[server]]) for server in members)
