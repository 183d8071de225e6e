"""Servers for what a task wants: placed, or by making others go, or refused with the reason."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.refusal import Refusal
from starlink.engine.rounds.budgets import budgets, gangs, protected
from starlink.engine.rounds.exclusion import without
from starlink.engine.rounds.neighbours import Neighbours
from starlink.engine.rounds.reservations import Held, Reservations
from starlink.planning.decision import Renewal, Want
from starlink.planning.examined import Examined
from starlink.planning.health import Health
from starlink.planning.observed import was_refused
from starlink.planning.placement import PlacementResult
from starlink.planning.reasons import Awaited, GangStays, Hold, Protected, Unplaced
from starlink.planning.world import World
from starlink.scheduling.ask import Ask
from starlink.scheduling.explaining.explain import affinity_cycle, explain
from starlink.scheduling.filters import Removed
from starlink.scheduling.place import Choice, Placed, place
from starlink.scheduling.pool import UNLIMITED
from starlink.scheduling.preemption.preempt import Preemption, preempt
from starlink.scheduling.preemption.reclaiming import Reclaiming
from starlink.scheduling.preemption.roster import Roster

_MOST_SEARCHES = 200
"""For victims, in one round, and as many for those whom only budgets protect. What is left over is looked at in the
next."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a task's wants. `removed` counts the servers that each filter removed at first, of those that
    there are; `choices` say of each want why it goes where it does. So many are `waiting` for others to stop before
    they may be created, for which `held` is kept for them."""

    placement: PlacementResult
    removed: Removed = ()
    choices: tuple[Choice | None, ...] = ()
    waiting: int = 0
    held: Held | None = None


class Placer:
    """Places tasks one after another on the fleet of a world, which is in a trial."""

    def __init__(self, world: World, health: Health, reservations: Reservations, neighbours: Neighbours) -> None:
        self._world, self._health, self._neighbours = world, health, neighbours
        self._reservations, self._fleet = reservations, reservations.fleet
        self._budgets: dict[str, int] | None = None
        self._told: set[str] = set()  # who was told to go in this round
        self._searches = self._explanations = 0
        self._roster: Roster | None = None
        self._by_uid: dict[str, Assignment] | None = None

    def place(self, examined: Examined, held: Held | None = None) -> Found:
        """Finds servers for what the task wants, in the order of its wants; `held` is what it has waited for."""
        renewal = examined.decision.renewal
        if (nowhere := examined.nowhere) and (examined.decision.wants or renewal):
            return Found(PlacementResult(unplaced=Unplaced(refusals=(nowhere,))))
        if renewal is not None:
            return self._renew(examined, renewal)
        batches = _by_server(examined.decision.wants)
        outcome = self._fill(examined, batches, held)
        victims = [*self._awaited(examined), *map(self._assignment, outcome.victims)]
        unplaced = self._unplaced(examined, outcome)
        placement = PlacementResult(tuple(outcome.servers), unplaced, outcome.wait_for, tuple(filter(None, victims)))
        held = self._held(examined, outcome.waiting)
        return Found(placement, outcome.removed, tuple(outcome.choices), len(outcome.waiting), held)

    def hold(self, held: Held) -> None:
        """Charges what a task waits for that is not looked at in this round."""
        servers = [self._fleet.index[name] for name in held.servers if name in self._fleet.index]
        self._fleet.place(np.array(servers, np.intp), held.load)

    def _renew(self, examined: Examined, renewal: Renewal) -> Found:
        """Whether all of a gang fits as it would be, without what it is now. What it is stays charged until it has
        stopped, and what it would be is placed then."""
        anew = replace(examined, decision=replace(examined.decision, wants=renewal.wants, renewal=None))
        batches = _by_server(renewal.wants)
        with without(self._fleet, (one.assignment.uid for one in renewal.remove)), self._fleet.trial():
            tried = self._fill_all(anew, batches, None, makes_room=False)
            fits = not tried.refusals or (len(batches) == 1 and self._could_have_room(anew))
        stays = GangStays(len(renewal.remove), len(renewal.wants))
        unplaced = None if fits else Unplaced(refusals=tuple(tried.refusals), gang=stays)
        return Found(PlacementResult(unplaced=unplaced, renews=fits), tried.removed)

    def _could_have_room(self, examined: Examined) -> bool:
        """Whether others could make room for a gang of which nothing is placed."""
        ask = self._ask(examined, examined.decision.wants[0].server)
        return bool(self._search(ask, len(examined.decision.wants), None))

    def _fill(self, examined: Examined, batches: Mapping[str, list[int]], held: Held | None) -> "_Outcome":
        """A gang over several servers by name is tried first: whether it is whole is known at its end only."""
        wants = len(examined.decision.wants)
        if examined.task.spec.placement.gang and len(batches) > 1:
            with self._fleet.trial():
                tried = self._fill_all(examined, batches, None, makes_room=False)
            if tried.refusals:
                return _Outcome(wants, tried.refusals, tried.removed)
        return self._fill_all(examined, batches, held, makes_room=True)

    def _fill_all(
        self, examined: Examined, batches: Mapping[str, list[int]], held: Held | None, *, makes_room: bool
    ) -> "_Outcome":
        outcome = _Outcome(len(examined.decision.wants))
        for server, numbers in batches.items():
            ask = self._ask(examined, server)
            left = self._place_where_held(ask, numbers, held, outcome) if held else numbers
            self._place(ask, left, outcome, makes_room=makes_room)
        return outcome

    def _place_where_held(self, ask: Ask, numbers: list[int], held: Held, outcome: "_Outcome") -> list[int]:
        """Those that are left: who names no pool goes first where quota was freed for it: elsewhere it could borrow,
        and would have to give it back."""
        first = numbers[: len(held.servers)]
        if ask.pool or (ask.gang and len(first) < len(numbers)):
            return numbers
        placed = place(self._fleet, replace(ask, pool=held.pool), len(first))
        self._take(first, placed, outcome)
        return numbers[len(placed.servers) :]

    def _ask(self, examined: Examined, server: str) -> Ask:
        observed = examined.observed
        before = (*observed.lost, *observed.superseded, *observed.finished.values())
        return self._reservations.loads.ask(
            examined.task,
            self._neighbours,
            architectures=examined.architectures,
            source=examined.finding.source if examined.finding else "",
            server=server,
            homes=frozenset(a.spec.server for a in before if not was_refused(a)),
            refused=frozenset(a.spec.server for a in before if was_refused(a)),
            local=self._reservations.holders(examined.task),
            running=len(observed.live),
        )

    def _place(self, ask: Ask, numbers: list[int], outcome: "_Outcome", *, makes_room: bool) -> None:
        placed = place(self._fleet, ask, len(numbers))
        self._take(numbers, placed, outcome)
        left = numbers[len(placed.servers) :]
        made = self._preempt(ask, len(left)) if left and makes_room else []
        bound = [one for one in made if not one.waits]
        for number, one in zip(left, bound, strict=False):
            self._take_over(number, one, outcome)
        outcome.wait([one for one in made if one.waits])
        if placed.refusal is not None and len(made) < len(left):
            outcome.refusals.append(self._refusal(ask, len(left), made, placed.refusal))
        self._fleet.place(np.array([one.server for one in made], np.intp), ask.load)
        if makes_room and len(made) < len(left):
            outcome.protected += self._protected(ask, len(left) if ask.gang else 1)

    def _refusal(self, ask: Ask, count: int, made: Sequence[Preemption], found: Refusal) -> Refusal:
        """What is said of those for whom nobody makes room. Where pools lend, what is on its way back counts, and what
        a higher quota would bring back."""
        if not self._lends() or self._roster is None or self._budgets is None:
            return explain(self._fleet, ask, count - len(made)) if made else found
        most = _MOST_SEARCHES - self._explanations
        claims = Reclaiming(self._fleet, self._roster, ask, made, self._budgets, self._told, most)
        with claims.soon(), self._fleet.trial():
            gang = place(self._fleet, ask, count, claims) if ask.gang else None
            refusal = gang.refusal if gang else explain(self._fleet, ask, count - len(made), claims=claims)
        self._explanations += claims.tried
        return refusal or found

    def _protected(self, ask: Ask, count: int) -> list[tuple[Protected, ...]]:
        """Which budgets alone keep others from making room for more."""
        if self._budgets is None or self._explanations >= _MOST_SEARCHES or not self._may_preempt(ask):
            return []
        self._explanations += 1
        endless = dict.fromkeys(self._budgets, UNLIMITED)
        with self._fleet.trial():
            made = preempt(self._fleet, ask, count, endless, self._told, self._roster, self._gangs)
        victims = Counter(map(self._task_of, (uid for one in made for uid in one.victims)))
        told = Counter(map(self._task_of, self._told))
        return list(filter(None, (protected(self._world, self._health, victims, told),)))

    def _task_of(self, uid: str) -> ObjectKey:
        return ObjectKey(*self._fleet.charges[uid].load.group.split("/", 1))

    def _take(self, numbers: list[int], placed: Placed, outcome: "_Outcome") -> None:
        outcome.removed = outcome.removed or placed.removed
        choices = placed.choices
        for number, index, use in zip(numbers, placed.servers.tolist(), placed.use.tolist(), strict=False):
            outcome.take(number, self._fleet.names[index], Choice(choices, int(use * 100)))

    def _preempt(self, ask: Ask, count: int) -> list[Preemption]:
        self._roster = self._roster or Roster(self._fleet)
        made = self._search(ask, count, self._roster)
        for uid in (uid for one in made for uid in one.victims):
            self._left[self._fleet.charges[uid].load.group] -= 1
            self._told.add(uid)
        return made

    def _search(self, ask: Ask, count: int, roster: Roster | None) -> list[Preemption]:
        if self._searches >= _MOST_SEARCHES or not self._may_preempt(ask):
            return []
        self._searches += 1
        with self._fleet.trial():  # what is refused is explained without those for whom others make room
            return preempt(self._fleet, ask, count, self._left, self._told, roster, self._gangs)

    @cached_property
    def _gangs(self) -> frozenset[str]:
        return gangs(self._world)

    @property
    def _left(self) -> dict[str, int]:
        """How many of each group may still be made to go."""
        if self._budgets is None:
            self._budgets = budgets(self._world, self._health)
        return self._budgets

    def _may_preempt(self, ask: Ask) -> bool:
        """Whether there is somebody of lower priority, or a pool that could have back what it has lent."""
        return self._lends() or min(self._fleet.priorities, default=ask.load.priority) < ask.load.priority

    def _lends(self) -> bool:
        return any(pool.cohort and pool.quota for pool in self._fleet.pools.values())

    def _take_over(self, number: int, one: Preemption, outcome: "_Outcome") -> None:
        server = self._fleet.names[one.server]
        there = [uid for uid in one.victims if self._fleet.charges[uid].server == server]
        victims = (a.key for uid in one.victims if (a := self._assignment(uid)))
        outcome.take(number, server, Choice(preempts=tuple(victims)))
        outcome.wait_for[number] = (*there, *one.wait_for)
        outcome.victims += one.victims

    def _held(self, examined: Examined, waiting: Sequence[Preemption]) -> Held | None:
        if not waiting:
            return None
        servers = [self._fleet.nodes[one.server] for one in waiting]
        borrows = any(one.borrows for one in waiting)
        return Held(self._ask(examined, "").load, servers[0].pool, tuple(node.name for node in servers), borrows)

    def _unplaced(self, examined: Examined, outcome: "_Outcome") -> Unplaced | None:
        circle = self._neighbours.circle(examined.task, self._fleet.groups) if outcome.refusals else None
        refusals = (affinity_cycle(circle),) if circle else tuple(outcome.refusals)
        if not (outcome.waiting or refusals):
            return None
        return Unplaced(self._hold(outcome.waiting), refusals, tuple(outcome.protected))

    def _hold(self, waiting: Sequence[Preemption]) -> Hold | None:
        if not waiting:
            return None
        awaited = sorted({uid for one in waiting for uid in (*one.victims, *one.wait_for)})
        found = [a for uid in awaited if (a := self._assignment(uid))]
        return Hold(len(waiting), tuple(Awaited(a.key, a.spec.server) for a in found))

    def _awaited(self, examined: Examined) -> list[Assignment | None]:
        """What an earlier decision makes stop, should nobody have told it."""
        waiting = [a for a in examined.observed.live.values() if a.spec.wait_for and a.status.phase == "Pending"]
        found = [self._assignment(uid) for a in waiting for uid in a.spec.wait_for]
        return [a for a in found if a is not None and not a.finished and not a.stopping]

    def _assignment(self, uid: str) -> Assignment | None:
        if self._by_uid is None:
            self._by_uid = {a.uid: a for group in self._world.assignments.values() for a in group}
        return self._by_uid.get(uid)


class _Outcome:
    """What has been found so far, by the numbers of the wants."""

    def __init__(self, wants: int, refusals: Iterable[Refusal] = (), removed: Removed = ()) -> None:
        self.servers = [""] * wants
        self.choices: list[Choice | None] = [None] * wants
        self.wait_for: dict[int, tuple[str, ...]] = {}
        self.victims: list[str] = []
        self.waiting: list[Preemption] = []
        self.refusals = list(refusals)
        self.protected: list[tuple[Protected, ...]] = []
        self.removed = removed

    def take(self, number: int, server: str, choice: Choice) -> None:
        self.servers[number], self.choices[number] = server, choice

    def wait(self, waiting: Sequence[Preemption]) -> None:
        self.waiting += waiting
        self.victims += [uid for one in waiting for uid in one.victims]


def _by_server(wants: Sequence[Want]) -> dict[str, list[int]]:
    """The numbers of the wants by the only server that will do."""
    batches: dict[str, list[int]] = {}
    for number, want in enumerate(wants):
        batches.setdefault(want.server, []).append(number)
    return batches
