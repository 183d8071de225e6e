"""Who must go for an instance on a server, and whom it waits for.

The lowest priorities go first, among equals those who give back the most of what is missing; then, from the highest
down, all are spared without whom it fits as well, gangs first. Of a gang all go if one does.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.preemption.lacks import lacks
from starlink.scheduling.preemption.leavers import Leaver, Leavers, by_use, needed, usefulness, without
from starlink.scheduling.preemption.reclaim import Ledger
from starlink.scheduling.preemption.roster import Roster


@dataclass(frozen=True, slots=True)
class Choice:
    """An instance's place. `awaited` are going anyway. `waits`: the quota has room only once these and the victims have
    gone, wherever they are; else the awaited are on the server. `borrows`: the pool then takes more than its own."""

    server: int
    victims: list[Leaver]
    awaited: list[Leaver]
    waits: bool
    borrows: bool = False


_Part = list[Leaver]
"""Those who go together, or not at all."""


class _Present(NamedTuple):
    """Who of a server is going, and who may be made to."""

    going: list[Leaver]
    possible: list[Leaver]


class Choices:
    """The choices of victims, one after another; each is made with what was committed to before."""

    def __init__(
        self,
        fleet: Fleet,
        roster: Roster,
        ask: Ask,
        budgets: Mapping[str, int],
        told: Collection[str],
        gangs: Collection[str] = frozenset(),
    ) -> None:
        self._fleet, self._ask, self._gangs = fleet, ask, gangs
        self._left, self._told = dict(budgets), set(told)
        self.lacks = lacks(fleet, ask)
        self.leavers = Leavers(roster, ask, budgets, self._told, self.lacks, gangs)
        self._ledger = Ledger(fleet, roster, ask, self.leavers.going.all(), self._told)
        self._present: dict[int, _Present] = {}
        self._hopeless: dict[str, bool] = {}

    @property
    def limits(self) -> bool:
        """Whether quotas may be short."""
        return self._ledger.limits

    def of(self, server: int) -> Choice | None:
        """The choice for a server; None where nobody's going is enough."""
        missing = [int(lack.missing[server]) for lack in self.lacks]
        there = self._there(server)
        victims = self._victims(server, missing, there)
        return None if victims is None else self._chosen(server, missing, there.going, victims)

    def commit(self, choice: Choice) -> None:
        """The victims are told to go, and the instance is charged to the fleet."""
        self._hopeless.clear()
        for one in choice.victims:
            self._left[one.load.group] -= 1
            self._told.add(one.uid)
            self._ledger.goes(one)
        self._ledger.comes(choice.server, [*choice.victims, *choice.awaited] if choice.waits else ())
        self.lacks = lacks(self._fleet, self._ask)
        for server in {one.server for one in choice.victims}:
            self._present[server] = self._without_told(self._there(server))

    def _there(self, server: int) -> _Present:
        found = self._present.get(server)
        if found is None:
            going, possible = self.leavers.going.on(server), self.leavers.possible.on(server)
            found = self._present[server] = self._without_told(_Present(going, possible))
        return found

    def _without_told(self, there: _Present) -> _Present:
        """Those told to go are going."""
        told = [one for one in there.possible if one.uid in self._told]
        return _Present([*there.going, *told], [one for one in there.possible if one.uid not in self._told])

    def _victims(self, server: int, missing: Sequence[int], there: _Present) -> list[Leaver] | None:
        """The instances that must go beside those that are going already; None when all that may go is not enough."""
        left, pool = without(missing, there.going), self._ledger.pool_of(server)
        quota_fits = self._quota_fits(pool, [])
        if _is_met(left) and quota_fits:
            return []
        if not quota_fits and self._is_hopeless(pool):
            return None
        possible = by_use(there.possible, left, self._gangs)

        def in_order() -> Iterator[Leaver]:
            return iter(possible) if quota_fits else self._with_others(server, pool, possible)

        taken = self._gathered(server, left, pool, in_order)
        return taken and self._spared(server, left, pool, self._parts(taken))

    def _parts(self, taken: Sequence[Leaver]) -> list[_Part]:
        """Those who go together: the whole of each gang of which one goes; everybody else goes alone."""
        gangs = dict.fromkeys(one.load.group for one in taken if one.load.group in self._gangs)
        return [*map(self._mates, gangs), *([one] for one in taken if one.load.group not in gangs)]

    def _mates(self, group: str) -> list[Leaver]:
        """All of a gang that have not been told to go."""
        return [one for one in self.leavers.together.get(group, ()) if one.uid not in self._told]

    def _with_others(self, server: int, pool: str, possible: Sequence[Leaver]) -> Iterator[Leaver]:
        """Those on the server first among equals: they may give back both room and quota."""
        others = (one for one in self._ledger.candidates(pool, self._left) if one.server != server)
        return heapq.merge(possible, others, key=lambda one: one.load.priority)

    def _is_hopeless(self, pool: str) -> bool:
        """Whether a quota stays too small whoever goes."""
        if pool not in self._hopeless:
            found = self._gathered(-1, [], pool, lambda: self._ledger.candidates(pool, self._left))
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

    def _spared(self, server: int, left: Sequence[int], pool: str, parts: Sequence[_Part]) -> list[Leaver]:
        """Without the parts that need not go; those of the highest priority are spared first, gangs among equals."""

        def use(part: _Part) -> float:
            return sum(usefulness(one.gives, left) for one in part if one.server == server)

        def rank(part: _Part) -> tuple[int, bool]:
            return -max(one.load.priority for one in part), part[0].load.group not in self._gangs

        def is_enough(kept: Sequence[_Part]) -> bool:
            return self._is_enough(server, left, pool, [*chain.from_iterable(kept)])

        kept = needed(sorted(sorted(parts, key=use), key=rank), is_enough) if len(parts) > 1 else parts
        return [*chain.from_iterable(kept)]

    def _is_enough(self, server: int, left: Sequence[int], pool: str, victims: Sequence[Leaver]) -> bool:
        here = (one for one in victims if one.server == server)
        return _is_met(without(left, here)) and self._quota_fits(pool, victims)

    def _chosen(self, server: int, missing: Sequence[int], going: Sequence[Leaver], victims: list[Leaver]) -> Choice:
        pool = self._ledger.pool_of(server)
        awaited = self._awaited(without(missing, (one for one in victims if one.server == server)), going)
        if self._ledger.fits_now(pool):
            return Choice(server, victims, awaited, waits=False)
        others = self._ledger.awaited(pool, [*victims, *awaited])
        awaited += [one for one in others if one not in awaited]
        borrows = not self._ledger.is_within(self._ledger.usage(victims), pool)
        return Choice(server, victims, awaited, waits=True, borrows=borrows)

    def _awaited(self, left: Sequence[int], going: Sequence[Leaver]) -> list[Leaver]:
        """Those of the server without whom there is not enough."""
        if _is_met(left):
            return []
        in_turn = sorted(going, key=lambda one: (usefulness(one.gives, left), one.uid))
        return needed(in_turn, lambda awaited: _is_met(without(left, awaited)))

    def _quota_fits(self, pool: str, victims: Sequence[Leaver]) -> bool:
        return not self._ledger.limits or self._ledger.fits(self._ledger.usage(victims), pool, victims)


def _is_met(left: Sequence[int]) -> bool:
    return all(lack <= 0 for lack in left)
