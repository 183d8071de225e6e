"""How many more instances pools have room for: by their quotas, and by all that limits them."""

from collections.abc import Mapping

import numpy as np

from starlink.scheduling.arrays import Amounts
from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.pool import UNLIMITED, FleetPool, Usage, room
from starlink.scheduling.watermarks import watermarks_left

_QUOTA_KEYS = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "storage"}


def quota_key(resource: str) -> str | None:
    """What of a pool's quota a resource counts to."""
    return "gpu" if resource == "gpu" or resource.endswith("/gpu") else _QUOTA_KEYS.get(resource)


def quotas(fleet: Fleet, ask: Ask) -> Amounts | None:
    """What `quota_left` gives for what is charged; None where no quota concerns the ask."""
    return quota_left(fleet, ask) if ask.load.quota and any(pool.quota for pool in fleet.pools.values()) else None


def quota_left(fleet: Fleet, ask: Ask, used: Usage | None = None) -> Amounts:
    """How many more instances the quota of each pool that is asked has room for, by pool code, with what is charged or
    with `used`."""
    usage = fleet.quota_used if used is None else used
    left = [_instances(fleet.pools, usage, ask, name) if ask.pool in ("", name) else 0 for name in fleet.pool_names]
    return np.array(left, np.int64)


def instances_left(fleet: Fleet, ask: Ask) -> Amounts:
    """How many more instances each pool that is asked takes, by pool code: within its quota, and until it is above a
    watermark."""
    quota, until_above = quota_left(fleet, ask), watermarks_left(fleet, ask)
    return quota if until_above is None else np.minimum(quota, until_above)


def _instances(pools: Mapping[str, FleetPool], usage: Usage, ask: Ask, pool: str) -> int:
    most = UNLIMITED
    for key, amount in ask.load.quota:
        if amount and (left := room(pools, usage, pool, key)) != UNLIMITED:
            most = min(most, left // amount)
    return max(0, most)
