"""The filters, in the order in which they are counted; each says which servers it keeps."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from starlink.scheduling.ask import Ask, Term, Toleration
from starlink.scheduling.fleet import Amounts, Domains, Fleet, Indices, Mask, Taint, in_domains
from starlink.scheduling.pool import UNLIMITED, Pool, Usage, room

Removed = tuple[tuple[str, int], ...]
Keeps = Callable[[Indices | slice], Mask]
"""Which of some servers a filter keeps."""
_ALL = slice(None)


@dataclass(frozen=True, slots=True)
class Feasible:
    """The servers that every filter keeps, and how many each removed that none before it had."""

    servers: Indices
    removed: Removed
    among: int

    @property
    def mask(self) -> Mask:
        """The same, as one of all servers."""
        mask = np.zeros(self.among, np.bool_)
        mask[self.servers] = True
        return mask


def feasible(fleet: Fleet, ask: Ask, *, without: str = "") -> Feasible:
    """The servers that could take one instance now, as all filters but `without` say."""
    of_kind = _by_kind(fleet, ask)
    left, counts = of_kind.servers, list(of_kind.removed)
    for name, keeps in _by_state(fleet, ask):
        kept = left if name == without else left[keeps(left)]
        counts.append((name, len(left) - len(kept)))
        left = kept
    return Feasible(left, tuple(counts), len(fleet))


def every(fleet: Fleet, ask: Ask) -> tuple[tuple[str, Mask], ...]:
    """What each filter keeps whatever the others do, in the order of `feasible`."""
    of_kind = ((kind.name, kind.mask(fleet, ask)) for kind in BY_KIND)
    return (*of_kind, *((name, keeps(_ALL)) for name, keeps in _by_state(fleet, ask)))


def otherwise(fleet: Fleet, ask: Ask, name: str) -> Mask:
    """The servers that all filters but one keep."""
    left = np.ones(len(fleet), np.bool_)
    for other, kept in every(fleet, ask):
        left &= kept if other != name else True
    return left


# By what a server is, which changes seldom: remembered for all asks that give the same


def _named(fleet: Fleet, name: str) -> Mask:
    return fleet.mask(lambda node: not name or node.name == name)


def _ready(fleet: Fleet, _: None) -> Mask:
    return fleet.mask(lambda node: node.ready)


def _schedulable(fleet: Fleet, _: None) -> Mask:
    return fleet.mask(lambda node: node.schedulable)


def _pool(fleet: Fleet, pool: str) -> Mask:
    return fleet.mask(lambda node: not pool or node.pool == pool)


def _namespace(fleet: Fleet, namespace: str) -> Mask:
    closed = {pool.name for pool in fleet.pools.values() if pool.namespaces and namespace not in pool.namespaces}
    return fleet.mask(lambda node: node.pool not in closed)


def _pool_architecture(fleet: Fleet, _: None) -> Mask:
    taken = {pool.name: pool.architectures for pool in fleet.pools.values() if pool.architectures}
    return fleet.mask(lambda node: node.architecture in taken.get(node.pool, (node.architecture,)))


def _watermark(fleet: Fleet, _: None) -> Mask:
    closed = {pool.name for pool in fleet.pools.values() if pool.closed}
    return fleet.mask(lambda node: node.pool not in closed)


def _architecture(fleet: Fleet, architectures: tuple[str, ...]) -> Mask:
    return fleet.mask(lambda node: not architectures or node.architecture in architectures)


def _runtime(fleet: Fleet, runtime: str) -> Mask:
    return fleet.mask(lambda node: not runtime or runtime in node.runtimes)


def _features(fleet: Fleet, features: frozenset[str]) -> Mask:
    return fleet.mask(lambda node: features.issubset(node.features))


def _selector(fleet: Fleet, wanted: tuple[tuple[str, str], ...]) -> Mask:
    mask = np.ones(len(fleet), np.bool_)
    for key, value in wanted:
        mask &= in_domains(
            fleet.labelled(key), np.array([name == value for name in fleet.labelled(key).names], np.bool_)
        )
    return mask


def _taints(fleet: Fleet, tolerations: tuple[Toleration, ...]) -> Mask:
    return fleet.mask(lambda node: not any(keeps_out(taint, tolerations) for taint in node.taints))


@dataclass(frozen=True, slots=True)
class Kind:
    """A filter by what a server is: `given` is the part of an ask that it looks at."""

    name: str
    given: Callable[[Ask], Hashable]
    keeps: Callable[[Fleet, Any], Mask]

    def mask(self, fleet: Fleet, ask: Ask) -> Mask:
        given = self.given(ask)
        return fleet.remembered((self.name, given), lambda: self.keeps(fleet, given))


BY_KIND = (
    Kind("Named", lambda ask: ask.server, _named),
    Kind("Ready", lambda _: None, _ready),
    Kind("Schedulable", lambda _: None, _schedulable),
    Kind("Pool", lambda ask: ask.pool, _pool),
    Kind("Namespace", lambda ask: ask.namespace, _namespace),
    Kind("PoolArchitecture", lambda _: None, _pool_architecture),
    Kind("Watermark", lambda _: None, _watermark),
    Kind("Architecture", lambda ask: ask.architectures, _architecture),
    Kind("Runtime", lambda ask: ask.runtime, _runtime),
    Kind("Features", lambda ask: ask.features, _features),
    Kind("Selector", lambda ask: tuple(sorted(ask.selector.items())), _selector),
    Kind("Taints", lambda ask: ask.tolerations, _taints),
)


def _by_kind(fleet: Fleet, ask: Ask) -> Feasible:
    alike = tuple(kind.given(ask) for kind in BY_KIND)
    return fleet.remembered(("filters", alike), lambda: _count_by_kind(fleet, ask))


def _count_by_kind(fleet: Fleet, ask: Ask) -> Feasible:
    left = np.ones(len(fleet), np.bool_)
    removed = []
    for kind in BY_KIND:
        kept = left & kind.mask(fleet, ask)
        removed.append((kind.name, int(np.count_nonzero(left) - np.count_nonzero(kept))))
        left = kept
    return Feasible(np.flatnonzero(left), tuple(removed), len(fleet))


# By what is on a server now


def resource_filter(resource: str) -> str:
    """The name of a resource's filter: `cpu` → `Cpu`, `ephemeral-storage` → `EphemeralStorage`; an extended resource's
    is its own name."""
    return resource if "/" in resource else "".join(part.capitalize() for part in resource.split("-"))


def _by_state(fleet: Fleet, ask: Ask) -> Iterator[tuple[str, Keeps]]:
    """Only those that the ask has any use for, and cpu and memory."""
    requests = dict(ask.load.requests)
    for resource in dict.fromkeys(("cpu", "memory", *requests)):
        yield resource_filter(resource), _has(fleet, resource, requests.get(resource, 0))
    yield "Ports", _of(fleet, lambda: _ports_free(fleet, ask) if ask.load.ports else None)
    if ask.affinity:
        yield "Affinity", _of(fleet, lambda: _near(fleet, ask))
    if ask.anti_affinity or ask.load.group in fleet.repelled:
        yield "AntiAffinity", _of(fleet, lambda: _apart(fleet, ask))
    if any(spread.required for spread in ask.spread):
        yield "Spread", _of(fleet, lambda: _even(fleet, ask))
    if ask.load.quota and any(pool.quota for pool in fleet.pools.values()):
        yield "Quota", _of(fleet, lambda: quota_left(fleet, ask)[fleet.pool_codes] > 0)


def _of(fleet: Fleet, make: Callable[[], Mask | None]) -> Keeps:
    """A filter that says at once of all servers which it keeps; None keeps all."""

    def keeps(at: Indices | slice) -> Mask:
        mask = make()
        return np.ones(len(fleet), np.bool_)[at] if mask is None else mask[at]

    return keeps


def _has(fleet: Fleet, resource: str, amount: int) -> Keeps:
    if not amount or resource not in fleet.capacity:
        return _of(fleet, lambda: np.full(len(fleet), not amount))

    def keeps(at: Indices | slice) -> Mask:
        mask: Mask = fleet.capacity[resource][at] - fleet.used[resource][at] >= amount
        return mask

    return keeps


def _ports_free(fleet: Fleet, ask: Ask) -> Mask:
    mask = np.ones(len(fleet), np.bool_)
    for port in ask.load.ports:
        mask[list(fleet.ports.get(port, ()))] = False
    return mask


def _near(fleet: Fleet, ask: Ask) -> Mask:
    mask = np.ones(len(fleet), np.bool_)
    for term in ask.affinity:
        if term.weight is None:
            mask &= in_domains(fleet.domains(term.key), near(fleet, ask, term))
    return mask


def near(fleet: Fleet, ask: Ask, term: Term) -> Mask:
    """The domains that a required affinity allows. The first of a group that wants to be near its own may go anywhere.

    https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
    """
    counts = fleet.counts(term.groups, term.key)
    first = ask.load.group in term.groups and not any(fleet.groups.get(group) for group in term.groups)
    mask: Mask = (counts > 0) | first
    return mask


def _apart(fleet: Fleet, ask: Ask) -> Mask:
    mask = np.ones(len(fleet), np.bool_)
    for term in ask.anti_affinity:
        if term.weight is None:
            mask &= ~in_domains(fleet.domains(term.key), fleet.counts(term.groups, term.key) > 0)
    for key, holders in fleet.repelling(ask.load.group):
        mask &= ~in_domains(fleet.domains(key), holders > 0)
    return mask


def _even(fleet: Fleet, ask: Ask) -> Mask:
    mask = np.ones(len(fleet), np.bool_)
    for spread in ask.spread:
        if spread.required:
            domains = fleet.domains(spread.key)
            counts = fleet.counts((ask.load.group,), spread.key)
            mask &= in_domains(domains, even(counts, eligible(fleet, ask, domains), spread.max_skew))
    return mask


def eligible(fleet: Fleet, ask: Ask, domains: Domains) -> Mask:
    """The domains in which there is a server of a kind that would do: only these are compared when spreading."""
    found = np.zeros(len(domains.names) + 1, np.bool_)
    found[domains.codes[_by_kind(fleet, ask).servers]] = True
    mask: Mask = found[:-1]
    return mask


def even(counts: Amounts, among: Mask, max_skew: int) -> Mask:
    """The domains that may take one more: they stay within `max_skew` of the emptiest.

    https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
    """
    if not among.any():
        return np.zeros(len(counts), np.bool_)
    mask: Mask = among & (counts + 1 - counts[among].min() <= max_skew)
    return mask


def quota_left(fleet: Fleet, ask: Ask, used: Usage | None = None) -> Amounts:
    """How many more instances the quota of each pool that is asked has room for, by pool code, with what is charged or
    with `used`."""
    usage = fleet.quota_used if used is None else used
    concerned = {ask.pool} if ask.pool else {*fleet.pool_names}
    left = (_instances(fleet.pools, usage, ask, name) if name in concerned else 0 for name in fleet.pool_names)
    return np.fromiter(left, np.int64, len(fleet.pool_names))


def _instances(pools: Mapping[str, Pool], usage: Usage, ask: Ask, pool: str) -> int:
    rooms = ((room(pools, usage, pool, key), amount) for key, amount in ask.load.quota if amount)
    return max(
        0, min((UNLIMITED if left == UNLIMITED else left // amount for left, amount in rooms), default=UNLIMITED)
    )


def keeps_out(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    """Whether the taint forbids a server to those who have only these tolerations."""
    return taint.effect != "PreferNoSchedule" and not tolerated(taint, tolerations)


def tolerated(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    """Whether one of the tolerations puts up with the taint.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """
    return any(
        (toleration.key is None or toleration.key == taint.key)
        and (toleration.effect is None or toleration.effect == taint.effect)
        and (toleration.operator == "Exists" or toleration.value == taint.value)
        for toleration in tolerations
    )
