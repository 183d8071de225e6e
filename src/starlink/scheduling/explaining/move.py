"""What a server brings to the pool that is asked, were it moved there: all that runs on it, and all that it has."""

from collections.abc import Mapping

import numpy as np

from starlink.api.remedy import Way, way
from starlink.scheduling.arrays import Amounts
from starlink.scheduling.ask import Ask
from starlink.scheduling.explaining.amounts import sized
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.pool import UNLIMITED, room
from starlink.scheduling.quotas import quota_key
from starlink.scheduling.watermarks import above


def left_with(fleet: Fleet, ask: Ask) -> Amounts:
    """For each server, how many more instances the asked pool would take with that server in it, until the pool is
    above a watermark. A pool that is above one already takes none: it must first fall below its low watermark."""
    left = np.full(len(fleet), 0 if ask.pool in above(fleet) else UNLIMITED, np.int64)
    asked = dict(ask.load.requests)
    for resource in _high(fleet, ask):
        space, amount = _room_with(fleet, ask, resource), asked.get(resource, 0)
        each = space // amount + 1 if amount else UNLIMITED
        np.minimum(left, np.where(space < 0, 0, each), out=left)
    return left


def quota_left_with(fleet: Fleet, ask: Ask) -> Amounts:
    """By server, for how many more instances the asked pool's quota has room, with that server in it. What its own pool
    then takes less of what both lend each other is left out."""
    left = np.full(len(fleet), UNLIMITED, np.int64)
    for key, amount in ask.load.quota:
        free = room(fleet.pools, fleet.quota_used, ask.pool, key)
        if amount and free != UNLIMITED:
            np.minimum(left, np.maximum(0, free - _taken(fleet, key)) // amount, out=left)
    return left


def brought(fleet: Fleet, ask: Ask, server: int) -> Mapping[str, int]:
    """What a server would take of the quota of the asked pool, by the keys that concern the ask; nothing more where it
    is in that pool."""
    if ask.pool in ("", fleet.nodes[server].pool):
        return {}
    return {key: int(_taken(fleet, key)[server]) for key, _ in ask.load.quota}


def _taken(fleet: Fleet, key: str) -> Amounts:
    """How much of a key of quotas is taken on each server; what is lost takes it again once its server is heard."""
    if key == "assignments":
        return fleet.instances
    taken = np.zeros(len(fleet), np.int64)
    for resource, used in fleet.used.items():
        if quota_key(resource) == key:
            taken += used
    return taken


def make_room(fleet: Fleet, ask: Ask, server: int) -> Way:
    """What to free on a server for the asked pool to be no higher than its watermarks with it; a pool that is above
    one takes nothing until it is below its low one, so that moving comes last."""
    short = {resource: -int(_room_with(fleet, ask, resource)[server]) for resource in _high(fleet, ask)}
    amounts = " and ".join(sized(resource, amount) for resource, amount in short.items() if amount > 0)
    return way("FreeFirst", fleet.names[server], value=amounts)


def _high(fleet: Fleet, ask: Ask) -> Mapping[str, int]:
    """The asked pool's watermarks; a pool of which only servers speak has none."""
    return fleet.pools[ask.pool].high if ask.pool in fleet.pools else {}


def _room_with(fleet: Fleet, ask: Ask, resource: str) -> Amounts:
    """By server, how much more of a resource may be requested of the asked pool for it to be no higher than its
    watermark, with that server in it; negative where it would be higher."""
    members = fleet.pool_codes == fleet.pool_names.index(ask.pool)
    used, capacity = fleet.used[resource], fleet.capacity[resource]
    limits = (capacity[members].sum() + capacity) * _high(fleet, ask)[resource] // 100
    left: Amounts = limits - used[members].sum() - used
    return left
