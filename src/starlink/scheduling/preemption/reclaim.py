"""Quotas as they are and as they will be once all that goes has gone, and who may be made to go for one."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from starlink.scheduling.arrays import Mask
from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.pool import Usage, borrowed, room
from starlink.scheduling.preemption.lacks import needed_groups
from starlink.scheduling.preemption.leavers import Leaver, leaving
from starlink.scheduling.preemption.roster import Roster

_Used = dict[str, dict[str, int]]


class Ledger:
    """What is charged to the pools' quotas. Where a pool's quota is used up, two kinds of instances give way to a new
    one: those of lower priority in the same pool, and those of any priority in a pool of the cohort that takes more
    than its own quota. The second kind gives way only while the new instance's pool stays within its own quota in
    everything that the instance asks for. So a pool that borrows claims nothing back: else two pools, each lending what
    the other lacks, would take it from each other for ever.

    The second is called reclaim: https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/#preemption
    """

    def __init__(self, fleet: Fleet, roster: Roster, ask: Ask, going: Iterable[Leaver], told: Collection[str]) -> None:
        self._fleet, self._roster, self._ask, self._told = fleet, roster, ask, told
        self._wanted = tuple((key, amount) for key, amount in ask.load.quota if amount)
        self.limits = bool(self._wanted) and any(pool.quota for pool in fleet.pools.values())
        self._now = {name: dict(used) for name, used in fleet.quota_used.items()}
        self._soon = {name: dict(used) for name, used in fleet.quota_used.items()}
        self._awaited = {name: dict(used) for name, used in fleet.quota_used.items()}
        self._going: dict[str, list[Leaver]] = {}
        self._candidates: dict[str, list[int]] = {}
        for one in sorted(going, key=lambda one: one.uid) if self.limits else ():
            self._subtract(self._soon, one)
            if self._gives(one):
                self._going.setdefault(self.pool_of(one.server), []).append(one)

    def pool_of(self, server: int) -> str:
        """The pool of a server."""
        return self._fleet.nodes[server].pool

    def usage(self, gone: Iterable[Leaver] = ()) -> _Used:
        """What is charged once all that goes has gone, and these as well."""
        return self._without(self._soon, gone)

    def fits(self, usage: Usage, pool: str, gone: Iterable[Leaver] = ()) -> bool:
        """Whether the pool has room for an instance, and may have made these go for it."""
        return self._has_room(usage, pool) and all(self._is_entitled(usage, pool, one) for one in gone)

    def fits_now(self, pool: str) -> bool:
        """Whether the pool has room while nobody has gone yet."""
        return not self.limits or self._has_room(self._now, pool)

    def _has_room(self, usage: Usage, pool: str) -> bool:
        return all(room(self._fleet.pools, usage, pool, key) >= amount for key, amount in self._wanted)

    def awaited(self, pool: str, victims: Iterable[Leaver]) -> list[Leaver]:
        """The instances that are going already and must be gone before the pool has room, beside the victims and those
        that an earlier instance awaits."""
        usage = self._without(self._awaited, victims)
        found: list[Leaver] = []
        for one in self._around(pool):
            if self._has_room(usage, pool):
                break
            less = self._without(usage, (one,))
            if any(self._left(less, pool, key) > self._left(usage, pool, key) for key, _ in self._wanted):
                usage, found = less, [*found, one]
        return found

    def _left(self, usage: Usage, pool: str, key: str) -> int:
        return room(self._fleet.pools, usage, pool, key)

    def _around(self, pool: str) -> Iterator[Leaver]:
        """Who goes and holds quota, in the pool first, then in its cohort."""
        yield from self._going.get(pool, ())
        for name in self._cohort(pool):
            yield from self._going.get(name, ())

    def helps(self, usage: Usage, pool: str, one: Leaver) -> bool:
        """Whether somebody gives back what the pool's quota is short of."""
        return any(
            room(self._fleet.pools, usage, pool, key) < amount and self._gives_way(usage, pool, one, key)
            for key, amount in self._wanted
        )

    def _gives_way(self, usage: Usage, pool: str, one: Leaver, key: str) -> bool:
        theirs = self.pool_of(one.server)
        if not any(name == key and given for name, given in one.quota):
            return False
        borrows = borrowed(self._fleet.pools, usage, theirs, key) > 0
        return theirs == pool or (borrows and self.is_within(usage, pool))

    def is_within(self, usage: Usage, pool: str) -> bool:
        """Whether the pool keeps to its own quota with an instance more."""
        quota = self._fleet.pools[pool].quota
        return all(usage[pool].get(key, 0) + amount <= quota[key] for key, amount in self._wanted if key in quota)

    def _is_entitled(self, usage: Usage, pool: str, one: Leaver) -> bool:
        return self.pool_of(one.server) == pool or self.is_within(usage, pool)

    def candidates(self, pool: str, budgets: Mapping[str, int]) -> Iterator[Leaver]:
        """All who may have to go for the pool's quota, the lowest priority first."""
        if pool not in self._candidates:
            self._candidates[pool] = self._who_may_go(pool, budgets)[::-1]
        rows = self._candidates[pool]
        while rows and self._is_over(rows[-1], budgets):
            rows.pop()
        return map(self._leaver, reversed(rows))

    def _is_over(self, row: int, budgets: Mapping[str, int]) -> bool:
        one = self._leaver(row)
        return one.uid in self._told or budgets.get(one.load.group, 0) <= 0

    def _who_may_go(self, pool: str, budgets: Mapping[str, int]) -> list[int]:
        roster, priority = self._roster, self._ask.load.priority
        spared = needed_groups(self._ask) | {self._ask.load.group}
        able = {group for group, left in budgets.items() if left > 0} - spared
        may_go = roster.mask(lambda kind: kind.counted and kind.load.group in able) & ~leaving(roster, self._told)
        lower = self._in(pool) & (roster.priorities < priority)
        borrowers = np.zeros(len(roster), np.bool_)
        for name in self._borrowers(pool):
            borrowers |= self._in(name)
        rows = np.flatnonzero(may_go & (lower | borrowers))
        found: list[int] = rows[np.lexsort((roster.by_uid[rows], roster.priorities[rows]))].tolist()
        return found

    def _in(self, pool: str) -> Mask:
        mask: Mask = self._fleet.pool_codes[self._roster.servers] == self._fleet.pool_names.index(pool)
        return mask

    def _leaver(self, row: int) -> Leaver:
        kind = self._roster.kinds[self._roster.kind_of[row]]
        return Leaver(self._roster.uids[row], int(self._roster.servers[row]), kind.load, kind.counted)

    def _cohort(self, pool: str) -> list[str]:
        """The other pools of the pool's cohort."""
        cohort = self._fleet.pools[pool].cohort if pool in self._fleet.pools else ""
        return [one.name for one in self._fleet.pools.values() if cohort and one.cohort == cohort and one.name != pool]

    def _borrowers(self, pool: str) -> Iterator[str]:
        for name in self._cohort(pool):
            if any(borrowed(self._fleet.pools, self._soon, name, key) for key, _ in self._wanted):
                yield name

    def goes(self, one: Leaver) -> None:
        """Somebody is told to go: what it holds is charged until it has gone."""
        if self.limits:
            self._subtract(self._soon, one)
            if self._gives(one):
                self._going.setdefault(self.pool_of(one.server), []).append(one)

    def comes(self, server: int, awaited: Sequence[Leaver] = ()) -> None:
        """An instance is placed on a server, at once or when these have gone."""
        for used in (self._now, self._soon, self._awaited):
            mine = used[self.pool_of(server)]
            for key, amount in self._wanted:
                mine[key] = mine.get(key, 0) + amount
        for one in awaited:
            going = self._going.get(self.pool_of(one.server), [])
            if one in going:
                going.remove(one)
                self._subtract(self._awaited, one)

    def _gives(self, one: Leaver) -> bool:
        keys = {key for key, _ in self._wanted}
        return any(amount and key in keys for key, amount in one.quota)

    def _subtract(self, usage: _Used, one: Leaver) -> None:
        used = usage[self.pool_of(one.server)]
        for key, amount in one.quota:
            used[key] = used.get(key, 0) - amount

    def _without(self, usage: _Used, gone: Iterable[Leaver]) -> _Used:
        found = dict(usage)
        for one in gone:
            name = self.pool_of(one.server)
            found[name] = dict(found[name])
            self._subtract(found, one)
        return found
