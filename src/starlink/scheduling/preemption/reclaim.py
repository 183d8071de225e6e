"""Quotas as they will be once all that goes has gone, and who may be made to go for one."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.pool import Usage, borrowed, room
from starlink.scheduling.preemption.lacks import needed_groups
from starlink.scheduling.preemption.leavers import Leaver

_Used = dict[str, dict[str, int]]


class Ledger:
    """What the pools' quotas are charged. Two give way to an instance that finds its pool's quota used up: those of
    lower priority in the same pool, and, as long as its pool is within its own quota with it, those of any priority in
    a pool of the cohort that takes more than its own.

    The latter is reclaim: https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/#preemption
    """

    def __init__(self, fleet: Fleet, ask: Ask, going: Iterable[Leaver], told: Collection[str]) -> None:
        self._fleet, self._ask = fleet, ask
        self._wanted = tuple((key, amount) for key, amount in ask.load.quota if amount)
        self.limits = bool(self._wanted) and any(pool.quota for pool in fleet.pools.values())
        self._now = {name: dict(used) for name, used in fleet.quota_used.items()}
        self._soon = {name: dict(used) for name, used in fleet.quota_used.items()}
        self._told = told
        self._by_pool: dict[str, list[Leaver]] | None = None
        self._candidates: dict[str, list[Leaver]] = {}
        for one in going if self.limits else ():
            self._subtract(self._soon, one)
            if one.uid in told:
                self._subtract(self._now, one)

    def pool_of(self, server: int) -> str:
        """The pool of a server."""
        return self._fleet.nodes[server].pool

    def usage(self, gone: Iterable[Leaver] = ()) -> _Used:
        """What is charged once all that goes has gone, and these as well."""
        return self._without(self._soon, gone)

    def fits(self, usage: Usage, pool: str, gone: Iterable[Leaver] = ()) -> bool:
        """Whether the pool has room for an instance, and may have made these go for it."""
        return all(room(self._fleet.pools, usage, pool, key) >= amount for key, amount in self._wanted) and all(
            self._is_entitled(usage, pool, one) for one in gone
        )

    def fits_now(self, pool: str, awaited: Iterable[Leaver]) -> bool:
        """Whether the pool has room when only those have gone who were told to in this round, and the awaited."""
        usage = self._without(self._now, (one for one in awaited if one.uid not in self._told))
        return self.fits(usage, pool)

    def helps(self, usage: Usage, pool: str, one: Leaver) -> bool:
        """Whether somebody gives back what the pool's quota is short of."""
        return any(
            room(self._fleet.pools, usage, pool, key) < amount and self._gives_way(usage, pool, one, key, amount)
            for key, amount in self._wanted
        )

    def _gives_way(self, usage: Usage, pool: str, one: Leaver, key: str, amount: int) -> bool:
        theirs = self.pool_of(one.server)
        if not any(name == key and given for name, given in one.quota):
            return False
        return theirs == pool or (
            self._is_within(usage, pool, key, amount) and borrowed(self._fleet.pools, usage, theirs, key) > 0
        )

    def _is_within(self, usage: Usage, pool: str, key: str, amount: int) -> bool:
        quota = self._fleet.pools[pool].quota
        return key in quota and usage[pool].get(key, 0) + amount <= quota[key]

    def _is_entitled(self, usage: Usage, pool: str, one: Leaver) -> bool:
        given = {key for key, amount in one.quota if amount}
        return self.pool_of(one.server) == pool or any(
            key in given and self._is_within(usage, pool, key, amount) for key, amount in self._wanted
        )

    def candidates(self, pool: str, budgets: Mapping[str, int]) -> list[Leaver]:
        """All who may have to go for the pool's quota, the lowest priority first."""
        if pool not in self._candidates:
            found = [one for one in self._members(pool) if one.load.priority < self._ask.load.priority]
            found += [one for name in self._borrowers(pool) for one in self._members(name)]
            self._candidates[pool] = sorted(found, key=lambda one: (one.load.priority, one.uid))
        self._candidates[pool] = _from_first_able(self._candidates[pool], budgets)
        return self._candidates[pool]

    def _borrowers(self, pool: str) -> Iterator[str]:
        pools = self._fleet.pools
        others = (one for one in pools.values() if one.cohort and one.cohort == pools[pool].cohort and one.name != pool)
        for other in others:
            if any(borrowed(pools, self._soon, other.name, key) for key, _ in self._wanted):
                yield other.name

    def _members(self, pool: str) -> list[Leaver]:
        if self._by_pool is None:
            self._by_pool = {}
            for one in self._all():
                self._by_pool.setdefault(self.pool_of(one.server), []).append(one)
        return self._by_pool.get(pool, [])

    def _all(self) -> Iterator[Leaver]:
        spared = needed_groups(self._ask) | {self._ask.load.group}
        for uid, charge in self._fleet.charges.items():
            server = self._fleet.index.get(charge.server)
            if server is None or charge.stopping or not charge.counted or uid in self._told:
                continue
            if charge.load.group not in spared:
                yield Leaver(uid, server, charge.load, counted=True)

    def goes(self, one: Leaver) -> None:
        """Somebody is told to go."""
        if self.limits:
            self._subtract(self._soon, one)
            self._subtract(self._now, one)

    def comes(self, server: int) -> None:
        """An instance is placed on a server."""
        for used in (self._now[self.pool_of(server)], self._soon[self.pool_of(server)]):
            for key, amount in self._wanted:
                used[key] = used.get(key, 0) + amount

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


def _from_first_able(leavers: list[Leaver], budgets: Mapping[str, int]) -> list[Leaver]:
    """Without those at the front of whose group nobody may go any more."""
    for number, one in enumerate(leavers):
        if budgets.get(one.load.group, 0) > 0:
            return leavers[number:] if number else leavers
    return []
