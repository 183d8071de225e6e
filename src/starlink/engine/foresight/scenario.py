"""What the engine makes of a world that is only thought of: nothing of it is written."""

from collections.abc import Iterable

from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.engine.rounds.neighbours import Neighbours
from starlink.engine.rounds.placing import Found, Placer
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import must_move
from starlink.planning.examined import Examined
from starlink.planning.health import assess
from starlink.planning.pool import effective_pools
from starlink.planning.replacements import MustMove
from starlink.planning.task import examine
from starlink.planning.world import World


class Scenario:
    """One world, its health, and its fleet."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pools = effective_pools(world)
        self.health = assess(world, self.pools)
        self.neighbours = Neighbours(world.tasks)
        self.reservations = Reservations()
        self.fleet = self.reservations.follow(world, self.pools, self.health, self.neighbours)

    def must_move(self, task: Task) -> MustMove:
        return must_move(task, self.world, self.pools)

    def examine(self, task: Task) -> Examined:
        return examine(task, self.world, self.health, self.must_move(task))

    def place(self, examined: Iterable[Examined]) -> dict[ObjectKey, Found]:
        """Finds servers as the operator would: the highest priority first, and each task sees what those before it
        took."""
        placer = Placer(self.world, self.health, self.reservations, self.neighbours)
        in_turn = sorted(examined, key=lambda one: (-one.task.spec.placement.priority, one.task.key))
        with self.fleet.trial():
            return {one.task.key: placer.place(one) for one in in_turn}


def missing(examined: Examined, found: Found) -> int:
    """How many of a task's wants found no server."""
    return len(examined.decision.wants) - sum(1 for server in found.placement.servers if server)
