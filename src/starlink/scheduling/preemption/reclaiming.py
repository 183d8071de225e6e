"""What a pool's quota would come to with what others give back: what is on its way already, and what they would have to
give if the quota were higher."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from starlink.scheduling.arrays import Indices
from starlink.scheduling.ask import Ask
from starlink.scheduling.filters import feasible
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.preemption.leavers import leaving
from starlink.scheduling.preemption.preempt import Preemption, preempt
from starlink.scheduling.preemption.roster import Roster
from starlink.scheduling.turns import turns

_Used = dict[str, dict[str, int]]


class Reclaiming:
    """The quotas that concern an ask, for some of whose instances places were `made`; the budgets and those `told` are
    as they are after that. At most so many quotas are `tried`."""

    def __init__(
        self,
        fleet: Fleet,
        roster: Roster,
        ask: Ask,
        made: Sequence[Preemption],
        budgets: Mapping[str, int],
        told: Collection[str],
        most: int,
    ) -> None:
        self._fleet, self._roster, self._ask, self._made = fleet, roster, ask, made
        self._budgets, self._told, self._most = budgets, told, most
        self._now = fleet.quota_used
        self.tried = 0

    @contextmanager
    def soon(self) -> Iterator[None]:
        """Within it, the fleet's quotas are charged as they will be once all that goes has gone, and those have come
        for whom it goes."""
        used = _copy(self._now)
        for row in leaving(self._roster, self._told).nonzero()[0].tolist():
            kind = self._roster.kinds[self._roster.kind_of[row]]
            if kind.counted:
                self._add(used, int(self._roster.servers[row]), kind.load.quota, -1)
        for one in self._made:
            self._add(used, one.server, self._ask.load.quota, 1)
        with _charged(self._fleet, used):
            yield

    def fits(self, instances: int, mates: Indices, pool: str, raised: Mapping[str, int]) -> bool:
        """Whether so many more find places if the quota of a pool is so much higher, others giving way; the mates of a
        gang are charged to their servers already."""
        if self.tried >= self._most:
            return False
        self.tried += 1
        used = _copy(self._now)
        for server in mates.tolist():
            self._add(used, server, self._ask.load.quota, 1)
        with _charged(self._fleet, used), _raised(self._fleet, pool, raised), self._fleet.trial():
            return self._all_fit(instances + len(self._made))

    def _all_fit(self, count: int) -> bool:
        fleet, ask = self._fleet, self._ask
        found = turns(fleet, ask, feasible(fleet, ask), count).servers
        if not ask.gang or len(found) == count:
            fleet.place(found, ask.load)
            count -= len(found)
        return not count or len(preempt(fleet, ask, count, self._budgets, self._told, self._roster)) == count

    def _add(self, used: _Used, server: int, quota: Sequence[tuple[str, int]], number: int) -> None:
        mine = used[self._fleet.nodes[server].pool]
        for key, amount in quota:
            mine[key] = mine.get(key, 0) + number * amount


def _copy(used: Mapping[str, Mapping[str, int]]) -> _Used:
    return {name: dict(amounts) for name, amounts in used.items()}


@contextmanager
def _charged(fleet: Fleet, used: _Used) -> Iterator[None]:
    before, fleet.quota_used = fleet.quota_used, used
    try:
        yield
    finally:
        fleet.quota_used = before


@contextmanager
def _raised(fleet: Fleet, name: str, raised: Mapping[str, int]) -> Iterator[None]:
    before, pool = fleet.pools, fleet.pools[name]
    quota = {key: amount + raised.get(key, 0) for key, amount in pool.quota.items()}
    fleet.pools = {**before, name: replace(pool, quota=quota)}
    try:
        yield
    finally:
        fleet.pools = before
