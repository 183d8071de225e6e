"""What stops a pool's quota, and the smallest change of it that lets more instances in."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

from starlink.api.remedy import Change
from starlink.scheduling.arrays import Indices
from starlink.scheduling.ask import Ask
from starlink.scheduling.explaining.amounts import quantity
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.pool import UNLIMITED, FleetPool, borrowed, room
from starlink.scheduling.score import Scores

NOTHING: Mapping[str, int] = MappingProxyType({})


class Shortage(NamedTuple):
    """A key of a pool's quota that has no room for what is needed; `left` is less than `needed`."""

    pool: str
    key: str
    needed: int
    left: int


def shortages(
    fleet: Fleet, ask: Ask, pool: str, instances: int = 1, brought: Mapping[str, int] = NOTHING
) -> list[Shortage]:
    """The keys of the pool's quota that have no room for so many instances, beside what a server brings along."""
    found = []
    for key, amount in ask.load.quota:
        left = room(fleet.pools, fleet.quota_used, pool, key)
        needed = amount * instances + brought.get(key, 0)
        if amount and left < needed:
            found.append(Shortage(pool, key, needed, max(left, 0)))
    return found


def missing_shares(fleet: Fleet, ask: Ask) -> Scores:
    """How much of one instance each pool's quota has no room for, 0 to 1, by pool code."""
    return np.array([_missing_share(fleet, ask, name) for name in fleet.pool_names])


def _missing_share(fleet: Fleet, ask: Ask, pool: str) -> float:
    return max((1 - one.left / one.needed for one in shortages(fleet, ask, pool)), default=0.0)


class Claims(Protocol):
    """What others would give back to a pool with a higher quota."""

    def fits(self, instances: int, mates: Indices, pool: str, raised: Mapping[str, int]) -> bool:
        """Whether so many more, beside the mates of the same gang, find places if the quota of a pool is so much
        higher."""


def changes(
    fleet: Fleet, short: Sequence[Shortage], enough: Callable[[Mapping[str, int]], bool] | None
) -> list[Change]:
    """The smallest change for each; `enough` says whether the quota of the pool, of which all are, has been raised by
    enough, with what others then have to give back."""
    pool = fleet.pools[short[0].pool]
    ways = [_without_a_raise(fleet, pool, one) if pool.cohort else None for one in short]
    if enough is None or not pool.cohort or any(ways):
        return [change(fleet, one) for one in short]
    raises = {one.key: raise_needed(fleet, one) for one in short}
    for one in short:
        alone = fleet.quota_used[pool.name].get(one.key, 0) + one.needed - pool.quota[one.key]
        raises[one.key] = _least(raises, one.key, alone, enough)
    return [_raise(pool, "quota", key, amount) for key, amount in raises.items()]


def _least(raises: Mapping[str, int], key: str, guess: int, enough: Callable[[Mapping[str, int]], bool]) -> int:
    """The least amount that is enough, where all that is raised is. Mostly it is the guess, or no less than all."""
    low, high = 0, raises[key]
    for amount in (guess, guess - 1, high - 1):
        if low < amount < high:
            low, high = (low, amount) if enough({**raises, key: amount}) else (amount, high)
    while high - low > 1:
        amount = (low + high) // 2
        low, high = (low, amount) if enough({**raises, key: amount}) else (amount, high)
    return high


def change(fleet: Fleet, short: Shortage) -> Change:
    """The smallest change that gives the pool what it needs: of what it may borrow, of what others lend or took, or of
    its quota."""
    pool = fleet.pools[short.pool]
    if pool.cohort:
        way = _without_a_raise(fleet, pool, short)
        return way or _raise(pool, "quota", short.key, raise_needed(fleet, short))
    used = fleet.quota_used[pool.name].get(short.key, 0)
    return _raise(pool, "quota", short.key, short.needed + used - pool.quota[short.key])


def _without_a_raise(fleet: Fleet, pool: FleetPool, short: Shortage) -> Change | None:
    """What would do in a cohort while the pool's quota is as it is; None if nothing would."""
    used = fleet.quota_used[pool.name].get(short.key, 0)
    own, shared = _own_and_shared(fleet, pool, short.key)
    beyond = used + short.needed - pool.quota[short.key] - pool.borrow.get(short.key, UNLIMITED)
    lacking = short.needed - own - max(0, shared)
    if lacking <= 0:
        return _raise(pool, "borrow", short.key, beyond)
    return _from_others(fleet, pool, short.key, lacking) if beyond <= 0 and shared >= 0 else None


def raise_needed(fleet: Fleet, short: Shortage) -> int:
    """How much the quota of a pool must grow to have room for what is needed."""
    pool = fleet.pools[short.pool]
    used = fleet.quota_used[pool.name].get(short.key, 0)
    most = pool.quota[short.key] + (pool.borrow.get(short.key, UNLIMITED) if pool.cohort else 0)
    if not pool.cohort:
        return short.needed + used - most
    over = used - (pool.quota[short.key] - pool.lend.get(short.key, 0))
    shared = _own_and_shared(fleet, pool, short.key)[1] + max(0, over)
    return max(short.needed + used - most, short.needed + over - max(0, shared))


def _own_and_shared(fleet: Fleet, pool: FleetPool, key: str) -> tuple[int, int]:
    """What is left of what the pool does not lend, and of what its cohort lends; the latter may be negative."""
    members = _members(fleet, pool.cohort, key)
    lent = sum(member.lend.get(key, 0) for member in members)
    over = {member.name: _over(fleet, member, key) for member in members}
    return max(0, -over[pool.name]), lent - sum(max(0, amount) for amount in over.values())


def _members(fleet: Fleet, cohort: str, key: str) -> list[FleetPool]:
    return [pool for pool in fleet.pools.values() if pool.cohort == cohort and key in pool.quota]


def _over(fleet: Fleet, pool: FleetPool, key: str) -> int:
    """How much the pool takes of the shared part; negative what it has left of its own."""
    return fleet.quota_used[pool.name].get(key, 0) - pool.quota[key] + pool.lend.get(key, 0)


def _from_others(fleet: Fleet, pool: FleetPool, key: str, amount: int) -> Change | None:
    """What another pool of the cohort could give: what it has borrowed, else what it does not use and does not lend."""
    others = [member for member in _members(fleet, pool.cohort, key) if member is not pool]
    size = quantity(key, amount, up=True)
    for other in others:
        if borrowed(fleet.pools, fleet.quota_used, other.name, key) >= amount:
            return Change("StopBorrowing", other.name, key, size)
    for other in others:
        if -_over(fleet, other, key) >= amount:
            return Change("Lend", other.name, key, size)
    return None


def _raise(pool: FleetPool, field: str, key: str, amount: int) -> Change:
    return Change("RaiseBy", pool.name, f"{field}.{key}", quantity(key, amount, up=True))
