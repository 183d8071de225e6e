"""What there is, and what is where: servers, pools with their limits, and the instances on them, in plain Python.

The rules of quotas that are shared: https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/#cohort
"""

from collections.abc import Iterable, Iterator

from starlink.scheduling.ask import HOSTNAME, Load
from starlink.scheduling.fleet import Charge, Node
from starlink.scheduling.pool import FleetPool


class Stock:
    """Servers, pools and the instances on them."""

    def __init__(self, nodes: Iterable[Node], pools: Iterable[FleetPool], charges: Iterable[Charge]) -> None:
        self.nodes = sorted(nodes, key=lambda node: node.name)
        self.node = {node.name: node for node in self.nodes}
        self.pools = {pool.name: pool for pool in pools}
        self.charges = [charge for charge in charges if charge.server in self.node]

    # What is where

    def on(self, node: Node) -> Iterator[Charge]:
        return (charge for charge in self.charges if charge.server == node.name)

    def used(self, node: Node, resource: str) -> int:
        return sum(dict(charge.load.requests).get(resource, 0) for charge in self.on(node))

    def domain(self, node: Node, key: str) -> str | None:
        return node.name if key == HOSTNAME else node.labels.get(key)

    def number(self, groups: Iterable[str], key: str, domain: str | None) -> int:
        """How many instances of the groups are in a domain."""
        return sum(
            charge.counted and charge.load.group in groups and self.domain(self.node[charge.server], key) == domain
            for charge in self.charges
        )

    def near(self, node: Node, groups: Iterable[str], key: str) -> bool:
        """Whether one of the groups has an instance in the server's domain."""
        domain = self.domain(node, key)
        return domain is not None and self.number(groups, key, domain) > 0

    # Watermarks

    def requested(self, pool: str, resource: str) -> int:
        """What is requested of a pool's servers."""
        return sum(self.used(node, resource) for node in self.nodes if node.pool == pool)

    def is_above(self, pool: FleetPool) -> bool:
        """Whether more is requested than a watermark allows."""
        return pool.closed or any(
            self.requested(pool.name, resource) * 100 > percent * self.offered(pool.name, resource)
            for resource, percent in pool.high.items()
        )

    def offered(self, pool: str, resource: str) -> int:
        return sum(node.allocatable.get(resource, 0) for node in self.nodes if node.pool == pool)

    # Quotas

    def charged(self, pool: str, key: str) -> int:
        """What a pool's quota is charged."""
        return sum(
            dict(charge.load.quota).get(key, 0)
            for charge in self.charges
            if charge.counted and self.node[charge.server].pool == pool
        )

    def shared(self, cohort: str, key: str) -> int:
        """What is taken by the pools of a cohort of what they lend each other."""
        return sum(max(0, self.charged(pool.name, key) - own(pool, key)) for pool in self._members(cohort, key))

    def lent(self, cohort: str, key: str) -> int:
        return sum(pool.lend.get(key, 0) for pool in self._members(cohort, key))

    def _members(self, cohort: str, key: str) -> list[FleetPool]:
        return [pool for pool in self.pools.values() if pool.cohort == cohort and key in pool.quota]

    def quota_allows(self, load: Load, name: str) -> bool:
        pool = self.pools.get(name)
        return pool is None or all(self._may_take(pool, key, amount) for key, amount in load.quota if amount)

    def _may_take(self, pool: FleetPool, key: str, amount: int) -> bool:
        if key not in pool.quota:
            return True
        used = self.charged(pool.name, key)
        if not pool.cohort:
            return used + amount <= pool.quota[key]
        if key in pool.borrow and used + amount > pool.quota[key] + pool.borrow[key]:
            return False
        of_the_shared = max(0, used + amount - own(pool, key)) - max(0, used - own(pool, key))
        return of_the_shared == 0 or self.shared(pool.cohort, key) + of_the_shared <= self.lent(pool.cohort, key)


def own(pool: FleetPool, key: str) -> int:
    """What of its quota a pool doesn't lend."""
    return pool.quota[key] - pool.lend.get(key, 0)
