"""A pool as placement sees it: its policy, and how much of its quota is left."""

from collections.abc import Mapping
from dataclasses import dataclass, field

UNLIMITED = 2**62


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each score counts. `use`: how full a server is; `own`: how many of the same group it has; `spread`: the
    skew of wished-for spreading; `balance`: cpu and memory evenly used; `failback`: where the group was before."""

    use: float = 5
    own: float = 10
    affinity: float = 50
    spread: float = 30
    architecture: float = 20
    locality: float = 4
    balance: float = 1
    failback: float = 5
    taints: float = 100


@dataclass(frozen=True, slots=True)
class FleetPool:
    """Quotas are amounts by key; a key that is absent has no limit. `high` are the watermarks, in percent of what its
    servers have of cpu and memory: it takes nothing more while more is requested of them. `closed`: it has been above
    one, and not below the low one since, so that it takes nothing whatever is requested."""

    name: str
    architectures: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    strategy: str = "Spread"
    weights: Weights = Weights()
    quota: Mapping[str, int] = field(default_factory=dict)
    cohort: str = ""
    lend: Mapping[str, int] = field(default_factory=dict)
    borrow: Mapping[str, int] = field(default_factory=dict)
    high: Mapping[str, int] = field(default_factory=dict)
    closed: bool = False


Usage = Mapping[str, Mapping[str, int]]
"""What each pool's quota is charged, by pool and key."""


def room(pools: Mapping[str, FleetPool], usage: Usage, name: str, key: str) -> int:
    """How much of `key` the pool may still take.

    What a pool does not lend is its own; what the pools of a cohort lend is shared, by those who lent it too. A pool
    takes its own first, then of the shared part, up to its quota and what it may borrow (the model of Kueue's cohorts:
    https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/#cohort).
    """
    pool = pools.get(name)
    quota = pool.quota.get(key) if pool else None
    if pool is None or quota is None:
        return UNLIMITED
    used = usage[name].get(key, 0)
    if not pool.cohort:
        return quota - used
    most = quota + pool.borrow.get(key, UNLIMITED)
    own = max(0, _kept(pool, key) - used)
    return min(most - used, own + max(0, _shared(pools, usage, pool.cohort, key)))


def _kept(pool: FleetPool, key: str) -> int:
    """What the pool has to itself."""
    return pool.quota[key] - pool.lend.get(key, 0)


def _shared(pools: Mapping[str, FleetPool], usage: Usage, cohort: str, key: str) -> int:
    """What is left of what the cohort's pools lend; negative after a quota was lowered."""
    members = [pool for pool in pools.values() if pool.cohort == cohort and key in pool.quota]
    lent = sum(pool.lend.get(key, 0) for pool in members)
    taken = sum(max(0, usage[pool.name].get(key, 0) - _kept(pool, key)) for pool in members)
    return lent - taken


def borrowed(pools: Mapping[str, FleetPool], usage: Usage, name: str, key: str) -> int:
    """How much the pool takes above its quota."""
    pool = pools[name]
    return max(0, usage[name].get(key, 0) - pool.quota.get(key, UNLIMITED))
