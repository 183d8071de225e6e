"""What the operator would make of a world from round to round, with agents that obey at once.

A preview has no model of its own of what the operator does, for that would have to be kept the same for ever. It runs
the operator's own rounds on a world in memory, and lets obedient agents take a step after each: what is told to stop
stops, and what is created becomes ready. So what is foreseen is what happens, but for what time and failures bring.

As in the operator, a round looks only at tasks for which something has changed (`dirty`; None in the first round, which
looks at all): those of which something was touched, and those that had no place when they were last looked at. The
rehearsal is whole when a round and a step touch nothing, for the next round would be the same round again. Two plans
could undo each other for ever, so the rounds end after MOST_ROUNDS, and `whole` says whether they ended by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.pool import Watermarks
from starlink.engine.foresight.simulation import Simulation, uid_of
from starlink.engine.rounds.fleet import plan_fleet
from starlink.engine.rounds.placing import Found
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import Round, plan_round
from starlink.planning.attempt import leaving
from starlink.planning.observed import PREEMPTED
from starlink.planning.plan import Create, Plan
from starlink.planning.reasons import Unplaced
from starlink.planning.world import World
from starlink.scheduling.place import Choice

MOST_ROUNDS = 400
MOST_CREATED = 10_000


@dataclass(slots=True)
class Rehearsal:
    """`world` is how it ends: at rest, unless what was left after the most rounds is not looked at (`whole` is
    false).

    `leaves` says why assignments were told to go, `placed` why those that were created are where they are, both by
    UID; `victims` are, by task, those who were there at the beginning and had to make room. `found` is what each task
    found when servers were last looked for, and `waited` what it said when it first waited for others to free quota.
    """

    world: World
    whole: bool = False
    rounds: int = 0
    leaves: dict[str, str] = field(default_factory=dict)
    placed: dict[str, Choice] = field(default_factory=dict)
    victims: dict[ObjectKey, dict[str, Assignment]] = field(default_factory=dict)
    found: dict[ObjectKey, Found] = field(default_factory=dict)
    waited: dict[ObjectKey, Unplaced] = field(default_factory=dict)


def rehearse(world: World) -> Rehearsal:
    """Rounds of the operator and steps of the agents in turn, until nothing is left to do or there were too many."""
    simulation, reservations, rehearsal = Simulation(world), Reservations(), Rehearsal(world)
    there = {a.uid: a for group in world.assignments.values() for a in group}
    unplaced: frozenset[ObjectKey] = frozenset()
    dirty: frozenset[ObjectKey] | None = None
    while rehearsal.rounds < MOST_ROUNDS and len(rehearsal.placed) <= MOST_CREATED:
        rehearsal.rounds += 1
        planned = plan_round(simulation.world, dirty, reservations)
        unplaced = (unplaced - dirty if dirty is not None else frozenset()) | planned.unplaced
        _record(rehearsal, planned, there)
        touched = simulation.apply(planned.plans) | simulation.obey()
        remembered = _pools_remember(simulation, reservations)
        rehearsal.world, dirty = simulation.world, touched | unplaced
        if not touched and not remembered:
            rehearsal.whole = True
            break
    return rehearsal


def _pools_remember(simulation: Simulation, reservations: Reservations) -> bool:
    """A pool with watermarks keeps in its status whether it was full; whether any status changed."""
    before = simulation.world.pools
    if all(pool.spec.watermarks == Watermarks() for pool in before.values()):
        return False
    simulation.apply(plan_fleet(simulation.world, reservations, allocated=False))
    return simulation.world.pools != before


def _record(rehearsal: Rehearsal, planned: Round, there: Mapping[str, Assignment]) -> None:
    for plan in planned.plans:
        found = planned.found.get(plan.subject)
        if found is not None:
            before = rehearsal.found.get(plan.subject, found)
            rehearsal.found[plan.subject] = replace(found, removed=found.removed or before.removed)
            if found.waiting and found.placement.unplaced:
                rehearsal.waited.setdefault(plan.subject, found.placement.unplaced)
            _record_created(rehearsal, plan, found)
        _record_leaving(rehearsal, plan, there)


def _record_created(rehearsal: Rehearsal, plan: Plan, found: Found) -> None:
    created = [action for action in plan.actions if isinstance(action, Create)]
    for action, choice in zip(created, filter(None, found.choices), strict=True):
        rehearsal.placed[uid_of(action)] = choice


def _record_leaving(rehearsal: Rehearsal, plan: Plan, there: Mapping[str, Assignment]) -> None:
    for action in plan.actions:
        if (left := leaving(action)) is None:
            continue
        rehearsal.leaves.setdefault(left.uid, left.reason)
        if left.reason == PREEMPTED and left.uid in there:
            rehearsal.victims.setdefault(plan.subject, {})[left.uid] = there[left.uid]
