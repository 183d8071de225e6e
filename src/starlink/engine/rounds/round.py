"""A round: all that is to be looked at, against one fleet, in a fixed order."""

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from starlink.api.assignment import Assignment
from starlink.api.kinds import TASK
from starlink.api.meta import ObjectKey
from starlink.api.refusal import Refusal
from starlink.api.remedy import Remedy
from starlink.api.task import Task
from starlink.engine.rounds.bulkhead import Bulkhead
from starlink.engine.rounds.host_ports import ports_taken
from starlink.engine.rounds.neighbours import Neighbours
from starlink.engine.rounds.order import in_turn
from starlink.engine.rounds.placing import Found, Placer
from starlink.engine.rounds.reservations import Reservations
from starlink.planning.examined import Examined
from starlink.planning.failure import plan_of_failure, plan_of_unreadable
from starlink.planning.health import Health, assess
from starlink.planning.in_place import changes_ports
from starlink.planning.placement import PlacementResult
from starlink.planning.plan import Plan
from starlink.planning.pool import effective_pools
from starlink.planning.reasons import Unplaced
from starlink.planning.replacements import MustMove
from starlink.planning.task import abandon, complete, examine, invalid, releases
from starlink.planning.world import World
from starlink.scheduling.taints import tolerated

POOL_CHANGED = "PoolChanged"
"""Why an assignment leaves a server that is no longer in the pool that its task names."""


@dataclass(frozen=True, slots=True)
class Round:
    """The plans of the tasks that were looked at; `unplaced` are those that want a server, or a port of one, and found
    none. `found` is what they are made of, for those for which servers were looked for."""

    plans: Sequence[Plan]
    unplaced: frozenset[ObjectKey]
    found: Mapping[ObjectKey, Found]


def plan_round(
    world: World, dirty: Collection[ObjectKey] | None = None, reservations: Reservations | None = None
) -> Round:
    """Plans the tasks named, or all; by namespace and name, the same for the same world. Servers are found for the
    highest priority first; what a task waits for is kept for it also in rounds in which it is not looked at. What
    planning a task raises stays with it: its plan, behind the others, tells of it.
    `reservations` have followed earlier worlds of the same cluster, or none."""
    reservations = reservations or Reservations()
    declared, contained = world.tasks, reservations.faults.contain(world)
    world = contained.world
    pools = effective_pools(world)
    health = assess(world, pools)
    keys = sorted({*world.tasks, *world.assignments} if dirty is None else dirty)
    bulkhead = Bulkhead[ObjectKey]()
    examined: dict[ObjectKey, Examined] = {}
    set_apart = {**contained.tasks, **contained.unread.tasks}
    for key in keys:
        if key not in set_apart and (task := world.tasks.get(key)):
            with bulkhead.around(key):
                examined[key] = examine(task, world, health, must_move(task, world, pools))
    found: dict[ObjectKey, Found] = {}
    for key in keys:
        if key not in examined or not examined[key].decision.wants:
            reservations.waiting.pop(key, None)
    if any(_wants_servers(one) for one in examined.values()):
        neighbours = Neighbours(world.tasks)
        reservations.follow(world, pools, health, neighbours)
        placer = Placer(world, health, reservations, neighbours)
        found = _placed(examined, placer, reservations, bulkhead)

    def plan(key: ObjectKey) -> Plan:
        if key in examined:
            placement = found[key].placement if key in found else PlacementResult()
            placement = _explained(placement, examined[key].task, {**contained.pools, **contained.unread.pools})
            return complete(examined[key], placement, world, health)
        assignments = world.assignments.get(key, ())
        if key in contained.unread.tasks:
            return _left_alone(declared[key], contained.unread.tasks[key], assignments, health, world.now)
        if key in contained.tasks:
            return invalid(declared[key], contained.tasks[key], assignments, health, world.now)
        return abandon(key, assignments, health, world.now)

    plans: list[Plan] = []
    for key in (key for key in keys if key not in bulkhead.errors):
        with bulkhead.around(key):
            plans.append(plan(key))
    failed = sorted(bulkhead.errors.items())
    plans += [plan_of_failure(TASK, key, declared.get(key), error, world.now) for key, error in failed]
    short = frozenset(key for key, one in found.items() if one.placement.unplaced or one.placement.ports_taken)
    return Round(plans, short, found)


def _left_alone(task: Task, why: str, assignments: Sequence[Assignment], health: Health, now: float) -> Plan:
    """The plan for a task that can't be read. Once it is deleted, those of its assignments go that have stopped."""
    plan = plan_of_unreadable(TASK, task, why, now)
    if not task.metadata.deleting:
        return plan
    return replace(plan, actions=(*releases(assignments, health), *plan.actions))


def _explained(placement: PlacementResult, task: Task, pools: Mapping[str, str]) -> PlacementResult:
    """In a pool that can't be used, `pools` with the reasons, nothing helps but to put its spec right."""
    fault = pools.get(task.spec.placement.pool)
    if not fault or placement.unplaced is None:
        return placement
    refusal = Refusal("PoolUnusable", Remedy(()), f"pool {task.spec.placement.pool} can't be used: {fault}")
    return replace(placement, unplaced=Unplaced(refusals=(refusal,)))


def _placed(
    examined: Mapping[ObjectKey, Examined], placer: Placer, reservations: Reservations, bulkhead: Bulkhead[ObjectKey]
) -> dict[ObjectKey, Found]:
    """What is found for each, in turn. What a failure had placed stays charged until the end of the round."""
    waiting, placed = reservations.waiting, dict[ObjectKey, Found]()
    with reservations.fleet.trial():
        for key in in_turn(examined, reservations):
            if key not in examined:
                placer.hold(waiting[key])
                continue
            held = waiting.pop(key, None)
            with bulkhead.around(key):
                taken = ports_taken(reservations.fleet, examined[key])
                placed[key] = placer.place(examined[key], held)
                if taken:
                    placed[key] = replace(placed[key], placement=replace(placed[key].placement, ports_taken=taken))
                if (held := placed[key].held) is not None:
                    waiting[key] = held
    return placed


def _wants_servers(examined: Examined) -> bool:
    decision = examined.decision
    waits = any(a.spec.wait_for for a in examined.observed.live.values())
    return bool(decision.wants or decision.renewal) or waits or changes_ports(examined)


def must_move(task: Task, world: World, pools: Mapping[str, str]) -> MustMove:
    """Why an assignment of the task has to leave its server; `pools` says the effective pool of each server.

    A pool that does not exist moves nobody: that is a mistake to be told, not a place to go to. A driver that is pinned
    to a server which is being deleted serves what else is there, and goes when that has gone.
    """
    placement = task.spec.placement

    @functools.cache
    def has_others(name: str) -> bool:
        there = (a for group in world.assignments.values() for a in group if a.spec.server == name)
        return any(not (a.finished or a.is_pinned_driver) for a in there)

    def why(assignment: Assignment) -> str:
        server = world.servers.get(assignment.spec.server)
        if server is None or server.unreadable is not None:
            return ""
        if server.metadata.deleting:
            return "" if assignment.is_pinned_driver and has_others(server.name) else "ServerDraining"
        pool = world.pools.get(placement.pool)
        if pool is not None and pool.unreadable is None and pools[server.name] != placement.pool:
            return POOL_CHANGED
        evicting = [taint for taint in server.spec.taints if taint.effect == "NoExecute"]
        return "" if all(tolerated(taint, placement.tolerations) for taint in evicting) else "Evicted"

    return why
