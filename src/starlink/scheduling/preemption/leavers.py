"""Who goes already, and who may be made to go for an instance."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import NamedTuple, TypeVar

import numpy as np

from starlink.scheduling.arrays import Amounts, Mask
from starlink.scheduling.ask import Ask, Load
from starlink.scheduling.preemption.lacks import Lack, needed_groups
from starlink.scheduling.preemption.roster import Roster

T = TypeVar("T")


class Leaver(NamedTuple):
    """An instance, and what it gives back of each of the lacks of its server."""

    uid: str
    server: int
    load: Load
    counted: bool
    gives: tuple[int, ...] = ()

    @property
    def quota(self) -> tuple[tuple[str, int], ...]:
        return self.load.quota if self.counted else ()


class Leavers:
    """Instances by server. `going` are those that stop already, or were told to stop earlier in the round. `possible`
    are those of lower priority whose group has instances that may be disrupted.

    An instance makes no room for its own group, nor for a group that requires to be near it.
    """

    def __init__(
        self,
        roster: Roster,
        ask: Ask,
        budgets: Mapping[str, int],
        told: Collection[str],
        lacks: Sequence[Lack],
        gangs: Collection[str] = frozenset(),
    ) -> None:
        needed, priority = needed_groups(ask), ask.load.priority
        able = {group for group, left in budgets.items() if left > 0} - needed - {ask.load.group}
        leaves = leaving(roster, told)
        near = roster.mask(lambda kind: kind.load.group in needed)
        may_go = roster.mask(lambda kind: kind.counted and kind.load.priority < priority and kind.load.group in able)
        given = [tuple(lack.gives(kind.load, kind.counted) for lack in lacks) for kind in roster.kinds]
        given = given or [(0,) * len(lacks)]
        self.going = Party(roster, leaves & ~near, given)
        self.possible = Party(roster, may_go & ~leaves, given)
        self._of_gangs = partial(_of_gangs, roster, gangs, leaves, given)

    @cached_property
    def together(self) -> dict[str, list[Leaver]]:
        """By group, those who go with any of their gang."""
        found: dict[str, list[Leaver]] = {}
        for one in self._of_gangs().all():
            found.setdefault(one.load.group, []).append(one)
        return found


def _of_gangs(roster: Roster, gangs: Collection[str], leaves: Mask, given: Sequence[tuple[int, ...]]) -> "Party":
    return Party(roster, roster.mask(lambda kind: kind.counted and kind.load.group in gangs) & ~leaves, given)


def leaving(roster: Roster, told: Collection[str]) -> Mask:
    """The rows of those that stop already or were told to."""
    leaves = roster.stopping.copy()
    leaves[[roster.rows[uid] for uid in told if uid in roster.rows]] = True
    return leaves


class Party:
    """Some of a roster; those of a kind give back the same, which is in `given`."""

    def __init__(self, roster: Roster, members: Mask, given: Sequence[tuple[int, ...]]) -> None:
        self._roster, self._members, self._given = roster, members, given
        self._table = np.array(given, np.int64)
        self.rows = np.flatnonzero(members)
        self.servers = roster.servers[self.rows]
        self.kinds = roster.kind_of[self.rows]
        self.priorities = roster.priorities[self.rows]

    def all(self) -> list[Leaver]:
        """All of them."""
        return [self._leaver(row) for row in self.rows.tolist()]

    def on(self, server: int) -> list[Leaver]:
        """Those on a server."""
        first, last = self._roster.starts[server : server + 2]
        return [self._leaver(first + row) for row, there in enumerate(self._members[first:last].tolist()) if there]

    def _leaver(self, row: int) -> Leaver:
        roster = self._roster
        code = int(roster.kind_of[row])
        kind = roster.kinds[code]
        return Leaver(roster.uids[row], int(roster.servers[row]), kind.load, kind.counted, self._given[code])

    def gifts(self, lack: int) -> Amounts:
        """What each kind gives back of a lack."""
        gifts: Amounts = self._table[:, lack]
        return gifts

    def given(self, lack: int) -> Amounts:
        """What each gives back of a lack."""
        given: Amounts = self.gifts(lack)[self.kinds]
        return given


def usefulness(gives: Sequence[int], missing: Sequence[int]) -> float:
    """How much of what is missing is given back, each lack counted up to 1."""
    use = 0.0
    for given, left in zip(gives, missing, strict=True):
        if left > 0:
            use += min(given / left, 1.0)
    return use


def by_use(leavers: Iterable[Leaver], missing: Sequence[int], gangs: Collection[str] = frozenset()) -> list[Leaver]:
    """The lowest priorities first, among equals those of no gang, then those who give back the most of what is
    missing."""
    gone = list(leavers)
    use = {gives: usefulness(gives, missing) for gives in {one.gives for one in gone}}
    by_gift = sorted(gone, key=lambda one: (one.load.priority, -use[one.gives], one.gives, one.uid))
    return sorted(by_gift, key=lambda one: (one.load.priority, one.load.group in gangs)) if gangs else by_gift


def without(missing: Sequence[int], gone: Iterable[Leaver]) -> list[int]:
    """What is missing once these have gone."""
    left = list(missing)
    for one in gone:
        left = [lack - given for lack, given in zip(left, one.gives, strict=True)]
    return left


def needed(candidates: Sequence[T], is_enough: Callable[[Sequence[T]], bool]) -> list[T]:
    """Those without whom the others are not enough; the first are spared first."""
    kept = list(candidates)
    for one in candidates:
        others = [other for other in kept if other is not one]
        if is_enough(others):
            kept = others
    return kept
