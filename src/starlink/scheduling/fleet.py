"""All servers as arrays, in the order of their names, with what is charged to them."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from starlink.scheduling import tally
from starlink.scheduling.arrays import Amounts, Indices, Mask, Scores, counted
from starlink.scheduling.ask import HOSTNAME, Load
from starlink.scheduling.domains import Domains, by_domain
from starlink.scheduling.needs import BASE, Needs, Requests, needs_of
from starlink.scheduling.pool import FleetPool
from starlink.scheduling.upkeep import Upkeep

T = TypeVar("T")
Held = Sequence[tuple[int, int]]
"""Servers, and how many instances more each has."""

_MOST_REMEMBERED = 2_000


class Taint(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def effect(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Node:
    """One server. `allocatable` are amounts by resource: cpu in millicores, everything else in whole units."""

    name: str
    architecture: str = "amd64"
    pool: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    runtimes: tuple[str, ...] = ("Process",)
    features: tuple[str, ...] = ()
    ready: bool = True
    schedulable: bool = True
    cordoned: bool = False  # not schedulable for that reason alone
    allocatable: Mapping[str, int] = field(default_factory=dict)


class Charge(NamedTuple):
    """An instance on a server. One that is lost, not `counted`, takes room there, but no quota, and is no neighbour.
    One that is `stopping` takes all until it has stopped."""

    server: str
    load: Load
    counted: bool = True
    stopping: bool = False


class Fleet:
    """The servers, the pools, and what is charged to both. Servers that are unknown may be charged: the charge counts
    once they are there.

    `capacities` and `uses` have a row for each server; `capacity` is what is in the columns of the one by resource, and
    `used` are those of the other. `upkeep` has what follows from the uses.
    """

    def __init__(self, nodes: Iterable[Node], pools: Iterable[FleetPool] = ()) -> None:
        self._nodes = {node.name: node for node in nodes}
        self.pools: dict[str, FleetPool] = {}
        self.charges: dict[str, Charge] = {}
        self.planned: frozenset[str] = frozenset()  # servers that are only thought of
        self.priorities: tally.Tally[int] = {}  # how many charges have each
        self._trial: list[Callable[[], None]] | None = None  # how to take back what was charged in it
        self._set_pools(pools)
        self._build()

    def __len__(self) -> int:
        return len(self.nodes)

    def node(self, name: str) -> Node | None:
        """The server of that name."""
        return self._nodes.get(name)

    # The arrays

    def _build(self) -> None:
        self.nodes = tuple(self._nodes[name] for name in sorted(self._nodes))
        self.names = tuple(node.name for node in self.nodes)
        self.index = {name: number for number, name in enumerate(self.names)}
        resources = dict.fromkeys((*BASE, *(key for node in self.nodes for key in node.allocatable)))
        self._columns = {key: number for number, key in enumerate(resources)}
        self.capacity = {key: self._amounts(key) for key in resources}
        self.capacities: Amounts = np.stack(list(self.capacity.values()), axis=1)
        self._memo: dict[Hashable, object] = {}
        self._number_pools()
        self.recharge()

    def _set_pools(self, pools: Iterable[FleetPool]) -> None:
        self.pools = {pool.name: pool for pool in sorted(pools, key=lambda pool: pool.name)}

    def _number_pools(self) -> None:
        self.pool_names = ("", *sorted({*self.pools, *(node.pool for node in self.nodes)} - {""}))
        codes = {name: number for number, name in enumerate(self.pool_names)}
        self.pool_codes = np.fromiter((codes[node.pool] for node in self.nodes), np.intp, len(self))

    def recharge(self) -> None:
        """Counts all charges anew."""
        self.uses: Amounts = np.zeros_like(self.capacities)
        self.used = dict(zip(self.capacity, self.uses.T, strict=True))
        self.upkeep = Upkeep(len(self))
        self.instances = np.zeros(len(self), np.int64)
        self.ports: dict[int, dict[int, int]] = {}
        self.groups: dict[str, dict[int, int]] = {}
        self.repelled: dict[str, dict[str, dict[int, int]]] = {}
        self.quota_used: dict[str, dict[str, int]] = {name: {} for name in self.pool_names}
        for charge in self.charges.values():
            self._count(charge, 1)

    def _amounts(self, resource: str) -> Amounts:
        return np.fromiter((node.allocatable.get(resource, 0) for node in self.nodes), np.int64, len(self.nodes))

    def free(self, resource: str) -> Amounts:
        """What is left of a resource on each server; negative where more is charged than there is."""
        if resource not in self.capacity:
            return np.zeros(len(self), np.int64)
        free: Amounts = self.capacity[resource] - self.used[resource]
        return free

    def most(self) -> Scores:
        """The capacities to divide by: 1 where there is nothing."""
        return self.remembered("most", lambda: np.maximum(self.capacities, 1).astype(np.float64))

    def needs(self, requests: Requests) -> Needs:
        """The requests as columns of `capacities` and `uses`."""
        return self.remembered(("needs", requests), lambda: needs_of(requests, self._columns))

    def mask(self, test: Callable[[Node], bool]) -> Mask:
        """Which servers pass a test."""
        return np.fromiter(map(test, self.nodes), np.bool_, len(self.nodes))

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, kept for as long as no server and no pool changes."""
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= _MOST_REMEMBERED:
                self._memo.clear()
            found = self._memo[key] = make()
        return found  # type: ignore[return-value]

    def domains(self, key: str) -> Domains:
        """The domains of a topology key; a server is always a domain of its own for `kubernetes.io/hostname`."""
        if key == HOSTNAME:
            return self.remembered("servers", lambda: Domains(np.arange(len(self), dtype=np.intp), self.names))
        return self.labelled(key)

    def labelled(self, key: str) -> Domains:
        """The servers by their values of a label."""
        return self.remembered(("label", key), lambda: self._labelled(key))

    def _labelled(self, key: str) -> Domains:
        values = [node.labels.get(key) for node in self.nodes]
        names = tuple(sorted({value for value in values if value is not None}))
        codes = {name: code for code, name in enumerate(names)}
        return Domains(np.fromiter((codes[v] if v is not None else -1 for v in values), np.intp, len(self)), names)

    # What changes

    def set_nodes(self, changed: Iterable[Node], gone: Iterable[str] = ()) -> None:
        """Puts servers in the place of those of the same names, adds new ones, and takes away those that are gone."""
        changed, gone = list(changed), [name for name in gone if name in self._nodes]
        alike = all(_is_as_large(self._nodes.get(node.name), node) for node in changed) and not gone
        self._nodes.update((node.name, node) for node in changed)
        for name in gone:
            del self._nodes[name]
        if alike:
            self.nodes = tuple(map(self._nodes.__getitem__, self.names))
            self._memo.clear()
        else:
            self._build()

    def set_pools(self, pools: Iterable[FleetPool]) -> None:
        """Puts these pools in the place of all."""
        self._set_pools(pools)
        self._memo.clear()
        before = self.pool_names
        self._number_pools()
        if self.pool_names != before:
            self.recharge()

    def charge(self, uid: str, charge: Charge) -> None:
        """Charges an instance, in the place of the charge of the same uid."""
        if self.charges.get(uid) == charge:
            return
        self.release(uid)
        self.charges[uid] = charge
        tally.add(self.priorities, charge.load.priority, 1)
        self._count(charge, 1)

    def release(self, uid: str) -> None:
        """Takes a charge away; nothing happens if there is none."""
        charge = self.charges.pop(uid, None)
        if charge is not None:
            tally.add(self.priorities, charge.load.priority, -1)
            self._count(charge, -1)

    def _count(self, charge: Charge, number: int) -> None:
        index = self.index.get(charge.server)
        if index is not None:
            self._add(index, charge.load, number, counted=charge.counted)

    def _add(self, index: int, load: Load, number: int, *, counted: bool) -> None:
        for key, amount in load.requests:
            if key in self.used:
                self.used[key][index] += number * amount
        self.instances[index] += number
        self.upkeep.touch(index)
        self._join(((index, number),), load, counted=counted)

    def _join(self, held: Held, load: Load, *, counted: bool = True) -> None:
        """Counts what is not an amount of the servers'."""
        for port in load.ports:
            tally.add_in(self.ports, port, held)
        if not counted:
            return
        tally.add_in(self.groups, load.group, held)
        for term in load.repels:
            for group in term.groups:
                self._repel(group, term.key, held)
        for pool, number in self._by_pool(held).items():
            for key, amount in load.quota:
                tally.add(self.quota_used[pool], key, number * amount)

    def _by_pool(self, held: Held) -> dict[str, int]:
        numbers: dict[str, int] = {}
        for index, number in held:
            pool = self.nodes[index].pool
            numbers[pool] = numbers.get(pool, 0) + number
        return numbers

    def _repel(self, group: str, key: str, held: Held) -> None:
        keys = self.repelled.setdefault(group, {})
        tally.add_in(keys, key, held)
        if not keys:
            del self.repelled[group]

    def place(self, servers: Indices, load: Load) -> None:
        """Charges one instance for each of the servers, which may repeat, until the trial ends. Raises RuntimeError
        outside a trial: what lasts is charged by uid."""
        indices, numbers = counted(servers)
        self._at_end(lambda: self._place(indices, load, -numbers))
        self._place(indices, load, numbers)

    def take_ports(self, server: int, ports: Collection[int]) -> None:
        """Charges ports to a server, for an instance that is there, until the trial ends. Raises as `place` does."""
        load = Load(ports=frozenset(ports))
        self._at_end(lambda: self._join(((server, -1),), load, counted=False))
        self._join(((server, 1),), load, counted=False)

    def _at_end(self, take_back: Callable[[], None]) -> None:
        if self._trial is None:
            raise RuntimeError("this is charged in a trial only: what lasts is charged by uid")
        self._trial.append(take_back)

    def _place(self, indices: Indices, load: Load, numbers: Amounts) -> None:
        self.uses[indices] += numbers[:, None] * self.needs(load.requests).amounts
        self.instances[indices] += numbers
        self.upkeep.touch(indices)
        self._join(list(zip(indices.tolist(), numbers.tolist(), strict=True)), load)

    @contextmanager
    def trial(self) -> Iterator[None]:
        """What `place` and `take_ports` charge in it is taken back at its end. Trials may nest."""
        outer, self._trial = self._trial, []
        try:
            yield
        finally:
            done, self._trial = self._trial, outer
            for take_back in reversed(done):
                take_back()

    # What is asked

    def counts(self, groups: Iterable[str], key: str) -> Amounts:
        """How many instances of the groups each domain of a topology key has."""
        domains = self.domains(key)
        return by_domain(domains, [self.groups.get(group, {}) for group in groups])

    def repelling(self, group: str) -> Iterator[tuple[str, Amounts]]:
        """Topology keys, and how many instances in each domain keep the group away."""
        for key, holders in self.repelled.get(group, {}).items():
            yield key, by_domain(self.domains(key), [holders])

    def on_servers(self, group: str) -> Amounts:
        """How many instances of a group each server has."""
        found = np.zeros(len(self), np.int64)
        for index, number in self.groups.get(group, {}).items():
            found[index] = number
        return found


def _is_as_large(old: Node | None, new: Node) -> bool:
    """Whether a server that changed leaves the arrays as they are."""
    return old is not None and (old.pool, old.allocatable) == (new.pool, new.allocatable)
