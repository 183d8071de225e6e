"""Preemption: places for instances of which a filter says that others are in their way.

Of all servers that is chosen whose victims' highest priority is the lowest; among equals the one with the fewest
victims, then with the lowest sum of their priorities, then with the highest score, then the first by name. It is the
order of Kubernetes with the number before the sum, and without disruption budgets, which are never overdrawn here:
https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/

On a server, the lowest priorities go first, among equals those who give back the most of what is missing; then, from
the highest down, all are spared without whom it fits as well.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from starlink.scheduling import score
from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.preemption.bounds import NOBODY, least
from starlink.scheduling.preemption.lacks import beyond_mending, lacks
from starlink.scheduling.preemption.leavers import Leaver, Leavers, needed, usefulness, without
from starlink.scheduling.preemption.reclaim import Ledger
from starlink.scheduling.rules import concerns_itself
from starlink.scheduling.score import Scores

_MOST_COMPARED = 64


@dataclass(frozen=True, slots=True)
class Preemption:
    """A place for one instance. `victims` are to be stopped, wherever they are. The instance may start once the victims
    that are on its own server have stopped, and `wait_for`: those there that were stopping before."""

    server: int
    victims: tuple[str, ...]
    wait_for: tuple[str, ...] = ()


def preempt(
    fleet: Fleet, ask: Ask, count: int, budgets: Mapping[str, int], told: Collection[str] = frozenset()
) -> list[Preemption]:
    """Places for up to `count` more instances, which are charged to the fleet; all or none for a gang.

    Takes how many of each group may be disrupted now (a group that is absent: none), and the uids of those who were
    told to go earlier in the round and are not known as stopping to the fleet. Victims stay charged. An instance that
    needs no victim but the quota of something that is stopping on another server gets no place: nothing would hold it
    back until then.

    Raises RuntimeError outside a trial of the fleet.
    """
    if count < 1 or not len(fleet):
        return []
    with fleet.trial():
        found = list(islice(_Search(fleet, ask, budgets, told), count))
    if not found or (ask.gang and len(found) < count):
        return []
    fleet.place(np.array([one.server for one in found], np.intp), ask.load)
    return found


class _Key(NamedTuple):
    """How a server ranks, the lowest first."""

    highest: int
    number: int
    total: int
    demerit: float
    server: int


class _Choice(NamedTuple):
    key: _Key
    victims: list[Leaver]
    awaited: list[Leaver]


class _Present(NamedTuple):
    """Who of a server is going, and who may be made to."""

    going: list[Leaver]
    possible: list[Leaver]


class _Search:
    """Servers wait in a heap by the least that their victims could be. The choice of the first is worked out, and it
    wins if it is no worse than the least of the next."""

    def __init__(self, fleet: Fleet, ask: Ask, budgets: Mapping[str, int], told: Collection[str]) -> None:
        self._fleet, self._ask = fleet, ask
        self._left, self._told = dict(budgets), set(told)
        self._lacks = lacks(fleet, ask)
        self._leavers = Leavers(fleet, ask, budgets, self._told, self._lacks)
        self._ledger = Ledger(fleet, ask, self._leavers.going, self._told)
        self._may_open = any(not lack.lasts for lack in self._lacks)
        self._is_close = any(concerns_itself(ask, term) for term in ask.affinity)
        self._open = beyond_mending(fleet, ask)
        self._scores = _scores(fleet, ask, slice(None))
        self._present: dict[int, _Present] = {}
        self._hopeless: dict[str, bool] = {}
        self._heap = self._least()

    def _least(self) -> list[_Key]:
        bounds = least(len(self._fleet), self._lacks, self._leavers)
        servers = bounds.possible[self._open[bounds.possible]]
        columns = (bounds.highest, bounds.number, bounds.total, -self._scores)
        heap = list(map(_Key, *(column[servers].tolist() for column in columns), servers.tolist()))
        heapq.heapify(heap)
        return heap

    def __iter__(self) -> Iterator[Preemption]:
        while (choice := self._best()) is not None:
            yield self._commit(choice)

    # Which server

    def _best(self) -> _Choice | None:
        """Where quotas are short, what one server needs says little of the next, and only some are compared."""
        best: _Choice | None = None
        later: list[_Key] = []
        self._hopeless.clear()
        while self._heap and (best is None or self._heap[0] < best.key) and len(later) < self._most():
            key = heapq.heappop(self._heap)
            choice = self._choice(key.server)
            if choice is not None:
                later.append(key if self._ledger.limits else choice.key)
                best = choice if best is None or choice.key < best.key else best
            elif self._may_open:
                later.append(key)
        for key in later:
            if best is None or key.server != best.key.server:
                heapq.heappush(self._heap, key)
        return best

    def _most(self) -> int:
        return _MOST_COMPARED if self._ledger.limits and not self._may_open else len(self._fleet) + 1

    def _commit(self, choice: _Choice) -> Preemption:
        server = choice.key.server
        for one in choice.victims:
            self._left[one.load.group] -= 1
            self._told.add(one.uid)
            self._ledger.goes(one)
        self._fleet.place(np.array([server]), self._ask.load)
        self._ledger.comes(server)
        self._lacks = lacks(self._fleet, self._ask)
        if self._is_close:
            self._open = beyond_mending(self._fleet, self._ask)
        for changed in {server, *(one.server for one in choice.victims)}:
            self._rank_anew(changed)
        return Preemption(server, _uids(choice.victims), _uids(choice.awaited))

    def _rank_anew(self, server: int) -> None:
        """What its victims give back may be more than is needed: nothing is known of the server's next choice."""
        one = slice(server, server + 1)
        self._scores[one] = _scores(self._fleet, self._ask, one)
        self._present.pop(server, None)
        heapq.heappush(self._heap, _Key(NOBODY, 0, 0, -np.inf, server))

    # Who, on a server

    def _choice(self, server: int) -> _Choice | None:
        if not self._open[server]:
            return None
        missing = [int(lack.missing[server]) for lack in self._lacks]
        there = self._there(server)
        victims = self._victims(server, missing, there)
        if victims is None:
            return None
        awaited = self._awaited(server, missing, there.going, victims)
        return None if awaited is None else _Choice(self._key(server, victims), victims, awaited)

    def _there(self, server: int) -> _Present:
        found = self._present.get(server)
        if found is None:
            possible = self._leavers.possible.on(server)
            told = [one for one in possible if one.uid in self._told]
            found = _Present(
                [*self._leavers.going.on(server), *told], [one for one in possible if one.uid not in self._told]
            )
            self._present[server] = found
        return found

    def _key(self, server: int, victims: Sequence[Leaver]) -> _Key:
        priorities = [one.load.priority for one in victims]
        highest = max(priorities, default=NOBODY)
        return _Key(highest, len(victims), sum(priorities), -float(self._scores[server]), server)

    def _victims(self, server: int, missing: Sequence[int], there: _Present) -> list[Leaver] | None:
        """Who must go beside those who are going anyway; None if that is not enough."""
        left, pool = without(missing, there.going), self._ledger.pool_of(server)
        quota_fits = self._quota_fits(pool, [])
        if _is_met(left) and quota_fits:
            return []
        if not quota_fits and self._is_hopeless(pool):
            return None
        possible = sorted(
            there.possible, key=lambda one: (one.load.priority, -usefulness(one, left), one.gives, one.uid)
        )

        def in_order() -> Iterator[Leaver]:
            return iter(possible) if quota_fits else self._with_others(server, pool, possible)

        taken = self._gathered(server, left, pool, in_order)
        return taken and self._spared(server, left, pool, taken)

    def _with_others(self, server: int, pool: str, possible: Sequence[Leaver]) -> Iterator[Leaver]:
        """Those on the server first among equals: the instance waits for them."""
        others = (one for one in self._ledger.candidates(pool, self._left) if one.server != server)
        return heapq.merge(possible, others, key=lambda one: one.load.priority)

    def _is_hopeless(self, pool: str) -> bool:
        """Whether a quota stays too small whoever goes."""
        if pool not in self._hopeless:
            found = self._gathered(-1, [], pool, lambda: iter(self._ledger.candidates(pool, self._left)))
            self._hopeless[pool] = found is None
        return self._hopeless[pool]

    def _gathered(
        self, server: int, left: Sequence[int], pool: str, in_order: Callable[[], Iterator[Leaver]]
    ) -> list[Leaver] | None:
        """The first who help, until it is enough. Who is passed over may help later: a pool may claim its own back once
        it has room for that."""
        taken: list[Leaver] = []
        spent: Counter[str] = Counter()
        usage = self._ledger.usage()
        while True:
            before = len(taken)
            for one in in_order():
                if not self._may_go(one, spent, taken) or not self._helps(one, server, left, usage, pool):
                    continue
                taken.append(one)
                spent[one.load.group] += 1
                left = without(left, [one]) if one.server == server else left
                usage = self._ledger.usage(taken) if self._ledger.limits else usage
                if _is_met(left) and self._quota_fits(pool, taken):
                    return taken
            if len(taken) == before:
                return None

    def _may_go(self, one: Leaver, spent: Mapping[str, int], taken: Sequence[Leaver]) -> bool:
        group = one.load.group
        return self._left.get(group, 0) > spent.get(group, 0) and one.uid not in self._told and one not in taken

    def _helps(
        self, one: Leaver, server: int, left: Sequence[int], usage: Mapping[str, Mapping[str, int]], pool: str
    ) -> bool:
        here = one.server == server and any(given > 0 and lack > 0 for given, lack in zip(one.gives, left, strict=True))
        return here or (self._ledger.limits and self._ledger.helps(usage, pool, one))

    def _spared(self, server: int, left: Sequence[int], pool: str, taken: Sequence[Leaver]) -> list[Leaver]:
        def is_enough(victims: Sequence[Leaver]) -> bool:
            here = (one for one in victims if one.server == server)
            return _is_met(without(left, here)) and self._quota_fits(pool, victims)

        by_use = sorted(taken, key=lambda one: usefulness(one, left) if one.server == server else 0.0)
        return needed(sorted(by_use, key=lambda one: -one.load.priority), is_enough)

    def _awaited(
        self, server: int, missing: Sequence[int], going: Sequence[Leaver], victims: Sequence[Leaver]
    ) -> list[Leaver] | None:
        left, pool = without(missing, (one for one in victims if one.server == server)), self._ledger.pool_of(server)

        def is_enough(awaited: Sequence[Leaver]) -> bool:
            held = bool(victims) or not self._ledger.limits or self._ledger.fits_now(pool, awaited)
            return held and _is_met(without(left, awaited))

        if not is_enough(going):
            return None
        return needed(sorted(going, key=lambda one: (usefulness(one, left), one.uid)), is_enough)

    def _quota_fits(self, pool: str, victims: Sequence[Leaver]) -> bool:
        return not self._ledger.limits or self._ledger.fits(self._ledger.usage(victims), pool, victims)


def _is_met(left: Sequence[int]) -> bool:
    return all(lack <= 0 for lack in left)


def _uids(leavers: Sequence[Leaver]) -> tuple[str, ...]:
    return tuple(sorted(one.uid for one in leavers))


def _scores(fleet: Fleet, ask: Ask, at: slice) -> Scores:
    """What the servers are to an instance now, with all that is there."""
    standing, company = score.standing(fleet, ask)[at], score.company(fleet, ask)
    present = fleet.groups.get(ask.load.group, {})
    own = np.array([present.get(index, 0) for index in range(len(fleet))[at]], np.float64)
    scores: Scores = standing + score.filled(fleet, ask, at, 0, own).scores
    return scores if company is None else scores + company[at]
