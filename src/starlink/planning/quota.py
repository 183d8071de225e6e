"""A pool's quota: what is used of it, and whether there is room."""

from starlink.api import quantity
from starlink.api.meta import Condition
from starlink.api.pool import Pool, resource_of
from starlink.planning.pool_use import PoolUse


def quota_use(pool: Pool, use: PoolUse) -> str:
    """What is used of each limit, and the limit: `cpu 500m/4, assignments 1/10`; "" for a pool without a quota."""
    return ", ".join(f"{name} {_used(name, use)}/{limit}" for name, limit in pool.spec.quota.limits.items())


def quota_available(pool: Pool, use: PoolUse) -> Condition:
    """The condition that says whether there is room."""
    if use.exhausted:
        message = "; ".join(use.exhausted)
        return Condition(type="QuotaAvailable", status="False", reason="QuotaExhausted", message=message)
    told = ", ".join(f"{name} {limit}" for name, limit in pool.spec.quota.limits.items())
    message = f"there is room for more of all that spec.quota limits: {told}" if told else "spec.quota limits nothing"
    return Condition(type="QuotaAvailable", status="True", reason="WithinQuota", message=message)


def _used(name: str, use: PoolUse) -> str:
    resource = resource_of(name)
    amount = use.assignments if name == "assignments" else use.allocated.get(resource, 0)
    return quantity.format_amount(resource, amount)
