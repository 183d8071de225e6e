"""The ways past a pool's watermark, and what watermarks leave of others."""

from starlink.api.remedy import Change, Way, way
from starlink.scheduling.ask import Ask
from starlink.scheduling.explaining.asking_less import Case
from starlink.scheduling.explaining.move import make_room
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.watermarks import above


def ways(case: Case) -> tuple[Way, ...]:
    """No waiting helps where it is the gang itself that brings the pool above its watermark, or what runs on a server
    that is to be moved there."""
    code = case.fleet.pool_names.index(case.pool)
    if case.fleet.pool_codes[case.server] != code and case.pool not in above(case.fleet):
        return (make_room(case.fleet, case.ask, case.server),)
    if len(case.mates) and (case.fleet.pool_codes[case.mates] == code).any():
        return (Way(tuple(_raised(case, code))),)
    return way("WaitForPool", case.pool), way("StopSome", case.pool)


def _raised(case: Case, code: int) -> list[Change]:
    """What the watermarks have to be for all of the gang that are missing."""
    asked = dict(case.ask.load.requests)
    changes = []
    for resource, percent in case.fleet.pools[case.pool].high.items():
        used, capacity = _sums(case.fleet, code, resource)
        before_the_last = used + (case.missing - 1) * asked.get(resource, 0)
        if before_the_last * 100 > percent * capacity:
            wanted = -(-before_the_last * 100 // max(capacity, 1))
            changes.append(Change("RaiseTo", case.pool, f"watermarks.{resource}.high", str(wanted)))
    return changes


def most_newcomers(fleet: Fleet, ask: Ask, count: int) -> int:
    """How many of so many the asked pool takes on servers that are added for them, each with just what one asks; all
    are there before the first is placed."""
    code, asked = fleet.pool_names.index(ask.pool), dict(ask.load.requests)
    for resource, percent in fleet.pools[ask.pool].high.items():
        used, capacity = _sums(fleet, code, resource)
        amount = asked.get(resource, 0)
        # The last may come if 100 (used + (count - 1) amount) <= percent (capacity + count amount)
        if amount and percent < 100:
            count = min(count, (percent * capacity + 100 * (amount - used)) // (amount * (100 - percent)))
    return max(0, count)


def _sums(fleet: Fleet, code: int, resource: str) -> tuple[int, int]:
    """How much of a resource is requested of a pool's servers, and how much they have."""
    members = fleet.pool_codes == code
    return int(fleet.used[resource][members].sum()), int(fleet.capacity[resource][members].sum())
