"""A round: all that is to be looked at, against one fleet, in a fixed order."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.engine.charges import ask_of, charged, fleet_of
from starlink.planning.health import assess
from starlink.planning.plan import Plan
from starlink.planning.pool import effective_pools, plan_pool
from starlink.planning.server import plan_server
from starlink.planning.service import MustMove
from starlink.planning.task import Examined, Placement, abandon, complete, examine
from starlink.planning.world import World
from starlink.scheduling.ask import Toleration
from starlink.scheduling.filters import tolerated
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.place import place


@dataclass(frozen=True, slots=True)
class Round:
    """The plans of the tasks that were looked at; `unplaced` are those that want a server and found none."""

    plans: Sequence[Plan]
    unplaced: frozenset[ObjectKey]


def plan_round(world: World, dirty: Collection[ObjectKey] | None = None) -> Round:
    """Plans the tasks named, or all; by namespace and name, the same for the same world."""
    pools = effective_pools(world)
    health = assess(world, pools)
    keys = sorted({*world.tasks, *world.assignments} if dirty is None else dirty)
    examined = {
        key: examine(task, world, health, must_move(task, world)) for key in keys if (task := world.tasks.get(key))
    }
    fleet: Fleet | None = None
    plans, unplaced = [], set()
    for key in keys:
        if key not in examined:
            plans.append(abandon(key, world.assignments.get(key, ()), health))
            continue
        placement = Placement()
        if examined[key].decision.wants:
            fleet = fleet or fleet_of(world, pools, health, charged(world, health))
            placement = place_wants(examined[key], world, fleet)
        if placement.refusal:
            unplaced.add(key)
        plans.append(complete(examined[key], placement, world, health))
    return Round(plans, frozenset(unplaced))


def plan_fleet(world: World) -> Sequence[Plan]:
    """The plans of all servers and pools."""
    pools = effective_pools(world)
    health = assess(world, pools)
    charges = charged(world, health)
    plans = [plan_server(world.servers[name], world, pools, health, charges[name]) for name in sorted(world.servers)]
    return plans + [plan_pool(world.pools[name], world, pools, health) for name in sorted(world.pools)]


def place_wants(examined: Examined, world: World, fleet: Fleet) -> Placement:
    """Finds servers for what the task wants."""
    own = Counter(a.spec.server for a in examined.observed.active.values())
    placed = place(fleet, ask_of(examined.task, world, own), len(examined.decision.wants))
    return Placement(placed.servers, placed.refusal.message if placed.refusal else "")


def must_move(task: Task, world: World) -> MustMove:
    """Why an assignment of the task has to leave its server."""
    tolerations: tuple[Toleration, ...] = task.spec.placement.tolerations

    def why(assignment: Assignment) -> str:
        server = world.servers.get(assignment.spec.server)
        if server is None:
            return ""
        if server.metadata.deleting:
            return "ServerDraining"
        evicting = [taint for taint in server.spec.taints if taint.effect == "NoExecute"]
        return "" if all(tolerated(taint, tolerations) for taint in evicting) else "Evicted"

    return why
