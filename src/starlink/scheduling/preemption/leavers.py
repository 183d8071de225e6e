"""Who goes already, and who may be made to go for an instance."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from starlink.scheduling.ask import Ask, Load
from starlink.scheduling.fleet import Amounts, Charge, Fleet
from starlink.scheduling.preemption.lacks import Lack, needed_groups


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
    """Instances by server: `going` are those that stop already or were told to earlier in the round, `possible` those
    of lower priority of whose group some may be disrupted.

    Nobody makes room for its own group, nor goes for one that requires to be near it.
    """

    def __init__(
        self, fleet: Fleet, ask: Ask, budgets: Mapping[str, int], told: Collection[str], lacks: Sequence[Lack]
    ) -> None:
        going, possible = _members(fleet, ask, budgets, told)
        self.going = Party(len(fleet), going, lacks)
        self.possible = Party(len(fleet), possible, lacks)


_Member = tuple[int, str, Charge]


def _members(
    fleet: Fleet, ask: Ask, budgets: Mapping[str, int], told: Collection[str]
) -> tuple[list[_Member], list[_Member]]:
    needed, priority, index = needed_groups(ask), ask.load.priority, fleet.index
    able = {group for group, left in budgets.items() if left > 0} - needed - {ask.load.group}
    going: list[_Member] = []
    possible: list[_Member] = []
    for uid, charge in fleet.charges.items():
        name, load, counted, stopping = charge
        if stopping or uid in told:
            if name in index and load.group not in needed:
                going.append((index[name], uid, charge))
        elif load.priority < priority and counted and load.group in able and name in index:
            possible.append((index[name], uid, charge))
    return going, possible


class Party:
    """Instances ordered by server, each of a kind; those of a kind give back the same, which is in `table`."""

    def __init__(self, size: int, members: Sequence[_Member], lacks: Sequence[Lack]) -> None:
        servers = np.array([server for server, _, _ in members], np.intp)
        order = np.argsort(servers, kind="stable")
        self._members = [members[number] for number in order.tolist()]
        self.servers = servers[order]
        self._starts = np.searchsorted(self.servers, np.arange(size + 1)).tolist()
        keys = np.array([2 * id(charge.load) + charge.counted for _, _, charge in self._members], np.int64)
        _, firsts, self._kinds = np.unique(keys, return_index=True, return_inverse=True)
        kinds = [self._members[first][2] for first in firsts.tolist()]
        self._given = [tuple(lack.gives(charge.load, charge.counted) for lack in lacks) for charge in kinds]
        self._table = np.array(self._given, np.int64).reshape(len(kinds), len(lacks))
        self.priorities = np.array([charge.load.priority for charge in kinds], np.int64)[self._kinds]

    def __iter__(self) -> Iterator[Leaver]:
        return self._between(0, len(self._members))

    def on(self, server: int) -> list[Leaver]:
        """Those on a server."""
        return list(self._between(self._starts[server], self._starts[server + 1]))

    def _between(self, first: int, last: int) -> Iterator[Leaver]:
        kinds = self._kinds[first:last].tolist()
        for (server, uid, charge), kind in zip(self._members[first:last], kinds, strict=True):
            yield Leaver(uid, server, charge.load, charge.counted, self._given[kind])

    def given(self, lack: int) -> Amounts:
        """What each gives back of a lack."""
        given: Amounts = self._table[self._kinds, lack]
        return given


def usefulness(leaver: Leaver, missing: Sequence[int]) -> float:
    """How much of what is missing an instance gives back, each lack counted up to 1."""
    use = 0.0
    for given, left in zip(leaver.gives, missing, strict=True):
        if left > 0:
            use += min(given / left, 1.0)
    return use


def without(missing: Sequence[int], gone: Iterable[Leaver]) -> list[int]:
    """What is missing once these have gone."""
    left = list(missing)
    for one in gone:
        left = [lack - given for lack, given in zip(left, one.gives, strict=True)]
    return left


def needed(leavers: Sequence[Leaver], is_enough: Callable[[Sequence[Leaver]], bool]) -> list[Leaver]:
    """Those without whom the others are not enough; the first are spared first."""
    kept = list(leavers)
    for one in leavers:
        others = [other for other in kept if other is not one]
        if is_enough(others):
            kept = others
    return kept
