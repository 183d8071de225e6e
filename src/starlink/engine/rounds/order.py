"""Whose turn it is in a round: priority, and who waits for quota that others give back."""

from collections.abc import Iterator, Mapping

from starlink.api.meta import ObjectKey
from starlink.engine.rounds.reservations import Held, Reservations
from starlink.planning.examined import Examined

_FIRST, _BORROWS, _LAST = range(3)


def in_turn(examined: Mapping[ObjectKey, Examined], reservations: Reservations) -> list[ObjectKey]:
    """The tasks that are looked at, and those that wait and are not, in their order.

    The highest priority comes first; whoever waits before others as high, and before all who could borrow in other
    pools of the cohort what is being freed for it: they would have to give it back. Where it would borrow itself, those
    who have that quota for their own and are no lower come before it.
    """
    waiting = reservations.waiting
    ranks = {key: one.task.spec.placement.priority for key, one in examined.items()}
    places = dict.fromkeys(examined, _LAST)
    highest = _highest(examined)
    for key, held in waiting.items():
        ranks[key] = max([held.load.priority, *_rivals(highest, held, reservations)])
        places[key] = _BORROWS if held.borrows else _FIRST
    for key, held in waiting.items():
        for owner in _owners(examined, held, reservations) if held.borrows else ():
            if owner not in waiting:
                ranks[owner], places[owner] = max(ranks[owner], ranks[key]), _FIRST
    return sorted(ranks, key=lambda key: (-ranks[key], places[key], key))


def _highest(examined: Mapping[ObjectKey, Examined]) -> dict[str, int]:
    """The highest priority that asks for each pool."""
    found: dict[str, int] = {}
    for one in examined.values():
        placement = one.task.spec.placement
        found[placement.pool] = max(placement.priority, found.get(placement.pool, placement.priority))
    return found


def _rivals(highest: Mapping[str, int], held: Held, reservations: Reservations) -> list[int]:
    """The highest priorities that could borrow what is held, in other pools of the cohort."""
    return [number for pool, number in highest.items() if _may_share(pool, held, reservations)]


def _may_share(pool: str, held: Held, reservations: Reservations) -> bool:
    """Whether the quota that is held could be taken by way of another pool; none means any."""
    pools = reservations.fleet.pools
    cohort = pools[held.pool].cohort if held.pool in pools else ""
    return bool(cohort) and pool != held.pool and (not pool or (pool in pools and pools[pool].cohort == cohort))


def _owners(examined: Mapping[ObjectKey, Examined], held: Held, reservations: Reservations) -> Iterator[ObjectKey]:
    """Those no lower, in other pools of the cohort, that with all they want take no more than their pool's own."""
    for key, one in examined.items():
        placement, wants = one.task.spec.placement, len(one.decision.wants)
        is_rival = bool(placement.pool) and _may_share(placement.pool, held, reservations)
        if wants and is_rival and placement.priority >= held.load.priority and _is_own(one, wants, reservations):
            yield key


def _is_own(examined: Examined, wants: int, reservations: Reservations) -> bool:
    pool = examined.task.spec.placement.pool
    requests = examined.task.spec.template.resources.requests
    used, quota = reservations.fleet.quota_used[pool], reservations.fleet.pools[pool].quota
    amounts = reservations.loads.of("", 0, requests, (), ()).quota
    return all(used.get(key, 0) + wants * amount <= quota[key] for key, amount in amounts if key in quota)
