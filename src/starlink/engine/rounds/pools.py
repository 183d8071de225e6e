"""Pools in the scheduler's words, and how full they are."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from starlink.api import conditions, quantity
from starlink.api.pool import Pool, Quota, Watermark, resource_of
from starlink.planning.pool_use import PoolUse
from starlink.scheduling import pool as scheduling
from starlink.scheduling.arrays import Mask
from starlink.scheduling.fleet import Fleet, Node
from starlink.scheduling.quotas import quota_key

BELOW_WATERMARK = "BelowWatermark"


def scheduling_pool(pool: Pool, fleet: Fleet) -> scheduling.FleetPool:
    """The pool as placement sees it; the fleet says what is requested of its servers."""
    spec = pool.spec
    given = {name: getattr(spec.weights, name) for name in spec.weights.__struct_fields__}
    return scheduling.FleetPool(
        name=pool.name,
        architectures=spec.architectures,
        namespaces=spec.namespaces,
        strategy=spec.strategy,
        weights=scheduling.Weights(**{name: value for name, value in given.items() if value is not None}),
        quota=amounts(spec.quota),
        cohort=spec.cohort,
        lend=amounts(spec.lend),
        borrow=amounts(spec.borrow) if spec.borrow is not None else {},
        high={name: mark.high for name, mark in _marks(pool)},
        closed=any(_above(fleet, pool)),
    )


def amounts(quota: Quota) -> dict[str, int]:
    """A quota's amounts by key; what has no limit is absent."""
    return {name: quantity.amount(resource_of(name), limit) for name, limit in quota.limits.items()}


def _marks(pool: Pool) -> Iterator[tuple[str, Watermark]]:
    for name, mark in (("cpu", pool.spec.watermarks.cpu), ("memory", pool.spec.watermarks.memory)):
        if mark is not None:
            yield name, mark


def _above(fleet: Fleet, pool: Pool) -> Iterator[str]:
    """The resources for which nothing new is placed, as they are told."""
    told = conditions.find(pool.status.conditions, BELOW_WATERMARK)
    was = told is not None and told.status == "False"
    for name, mark in _marks(pool):
        use = _use(fleet, pool.name, name)
        if _is_above(use, mark, was=was):
            yield f"{use.percent:.0f} % of {name} is requested (high {mark.high} %, low {mark.low} %)"


def _is_above(use: "_Use", mark: Watermark, *, was: bool) -> bool:
    """Above high, or not below low since it was above. What nothing is requested of is below any mark, also a low of
    0."""
    above_high = use.requested * 100 > mark.high * use.capacity
    return above_high or (was and use.requested > 0 and use.requested * 100 >= mark.low * use.capacity)


class _Use(NamedTuple):
    """How much of a resource is requested of a pool's servers, and how much they have."""

    requested: int
    capacity: int

    @property
    def percent(self) -> float:
        return 100.0 * self.requested / max(self.capacity, 1)


def _use(fleet: Fleet, pool: str, resource: str) -> _Use:
    members = _members(fleet, pool)
    return _Use(_sum(fleet.used[resource], members), _sum(fleet.capacity[resource], members))


def pool_use(fleet: Fleet, pool: Pool) -> PoolUse:
    """How full a pool is; above a watermark there is no headroom."""
    members, above = _members(fleet, pool.name), tuple(_above(fleet, pool))
    usable = members & fleet.mask(lambda node: _may_take(pool, node))
    charged = fleet.quota_used.get(pool.name, {})
    free = {name: _sum(np.maximum(fleet.free(name), 0), usable) for name in fleet.capacity}
    room = {name: max(0, min(left, _room(fleet, pool.name, name))) for name, left in free.items() if left}
    return PoolUse(
        capacity={name: total for name in fleet.capacity if (total := _sum(fleet.capacity[name], members))},
        allocated={resource_of(key): amount for key, amount in charged.items() if amount and key != "assignments"},
        headroom=dict.fromkeys(room, 0) if above else room,
        assignments=charged.get("assignments", 0),
        exhausted=tuple(_exhausted(fleet, pool)),
        above=above,
    )


def _may_take(pool: Pool, node: Node) -> bool:
    """Whether anything may be placed on a server of the pool."""
    taken = pool.spec.architectures
    return node.ready and node.schedulable and (not taken or node.architecture in taken)


def _exhausted(fleet: Fleet, pool: Pool) -> Iterator[str]:
    used = fleet.quota_used.get(pool.name, {})
    for key, limit in amounts(pool.spec.quota).items():
        if scheduling.room(fleet.pools, fleet.quota_used, pool.name, key) <= 0:
            yield _full(fleet, pool.name, key, used.get(key, 0), limit)


def _full(fleet: Fleet, pool: str, key: str, used: int, limit: int) -> str:
    def told(amount: int) -> str:
        return quantity.format_amount(resource_of(key), amount)

    said = f"{key}: {told(used)} of {told(limit)} are used"
    if used < limit:
        takers = [
            name for name in _cohort(fleet, pool) if scheduling.borrowed(fleet.pools, fleet.quota_used, name, key)
        ]
        by = f" by pool{'s' if len(takers) > 1 else ''} {', '.join(takers)}" if takers else ""
        return (
            f"{said} here, and {told(limit - used)} that the pool lends is used{by}: an instance that needs it has it "
            "back, as far as the borrowers' update.maxUnavailable allows"
        )
    borrowed = f", {told(used - limit)} of it borrowed" if used > limit and _cohort(fleet, pool) else ""
    return f"{said}{borrowed}: nothing more is placed until something stops or spec.quota.{key} is raised"


def _cohort(fleet: Fleet, pool: str) -> list[str]:
    """The other pools of the cohort."""
    cohort = fleet.pools[pool].cohort
    return [one.name for one in fleet.pools.values() if cohort and one.cohort == cohort and one.name != pool]


def _room(fleet: Fleet, pool: str, resource: str) -> int:
    key = quota_key(resource)
    return scheduling.room(fleet.pools, fleet.quota_used, pool, key) if key else scheduling.UNLIMITED


def _members(fleet: Fleet, pool: str) -> Mask:
    if pool not in fleet.pool_names:
        return np.zeros(len(fleet), np.bool_)
    mask: Mask = fleet.pool_codes == fleet.pool_names.index(pool)
    return mask


def _sum(amounts: npt.NDArray[np.int64], members: Mask) -> int:
    return int(amounts[members].sum())
