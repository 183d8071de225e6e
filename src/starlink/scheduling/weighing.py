"""What counts how much on each server: the strategy and the weights of the server's pool."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from starlink.scheduling.arrays import At, Scores
from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.pool import FleetPool

Weight = float | Scores
"""One number, where it is the same for all servers, else one for each."""


class Weighing(NamedTuple):
    """The weights as scores take them. `use` is negative on servers of pools that spread, and `own` counts on those
    alone. `empty` is the score that such a server begins with, so that an empty server of a pool that spreads counts as
    much as a full server of a pool that packs. Two of one fleet with the same weights have the same `key`."""

    key: Hashable
    use: Weight
    empty: Weight
    own: Weight
    affinity: Weight
    spread: Weight
    architecture: Weight
    locality: Weight
    balance: Weight
    failback: Weight
    taints: Weight


def policy(fleet: Fleet, ask: Ask) -> Weighing:
    """The policy of each server's own pool. Servers of no pool, or of one that does not exist, have the default; of an
    ask for a pool only the servers of that one matter."""
    return fleet.remembered(("policy", ask.pool), lambda: _policy(fleet, ask.pool))


def weight_at(weight: Weight, servers: At) -> Weight:
    """The weight of some servers."""
    return weight[servers] if isinstance(weight, np.ndarray) else weight


def weighs(weight: Weight) -> bool:
    """Whether the weight is other than 0 anywhere; what differs from server to server is."""
    return isinstance(weight, np.ndarray) or bool(weight)


def _policy(fleet: Fleet, pool: str) -> Weighing:
    named = pool in fleet.pool_names[1:]
    codes = [fleet.pool_names.index(pool)] if named else np.unique(fleet.pool_codes).tolist() or [0]
    pools = [fleet.pools.get(fleet.pool_names[code], FleetPool("")) for code in codes]
    weighed = [_weights(one) for one in pools]
    places = np.zeros(len(fleet.pool_names), np.intp)
    places[codes] = np.arange(len(codes))
    of_servers = places[fleet.pool_codes]
    columns = (_column(values, of_servers) for values in zip(*weighed, strict=True))
    return Weighing(weighed[0] if len({*weighed}) == 1 else tuple(weighed), *columns)


def _weights(pool: FleetPool) -> tuple[float, ...]:
    weights, packs = pool.weights, pool.strategy == "Pack"
    return (
        weights.use if packs else -weights.use,
        0.0 if packs else weights.use,
        0.0 if packs else weights.own,
        weights.affinity,
        weights.spread,
        weights.architecture,
        weights.locality,
        weights.balance,
        weights.failback,
        weights.taints,
    )


def _column(values: Sequence[float], of_servers: At) -> Weight:
    return values[0] if len({*values}) == 1 else np.array(values, np.float64)[of_servers]
