"""The filters, in the order in which they are counted; each says which servers it keeps."""

import functools
import itertools
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from starlink.scheduling import firsts
from starlink.scheduling.arrays import ALL, Amounts, At, Codes, Indices, Mask, distinct
from starlink.scheduling.ask import Ask, Term, Toleration
from starlink.scheduling.domains import Domains, even, in_domains
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.quotas import quotas
from starlink.scheduling.taints import keeps_out
from starlink.scheduling.watermarks import above, below

Removed = tuple[tuple[str, int], ...]
Keeps = Callable[[At], Mask] | None
"""Which of some servers a filter keeps; None: all."""


@dataclass(frozen=True, slots=True)
class Feasible:
    """The servers that every filter keeps. `later` adds the servers that only spreading keeps out now: they open once
    emptier domains have filled. `removed` counts, for each filter, the servers that it is the first to remove.
    `quota_left` is how many more instances the quota of each pool has room for, by the pool's code; None without
    quotas."""

    servers: Indices
    later: Indices
    removed: Removed
    among: int
    quota_left: Amounts | None

    @property
    def mask(self) -> Mask:
        """The same, as one of all servers."""
        mask = np.zeros(self.among, np.bool_)
        mask[self.servers] = True
        return mask


def feasible(fleet: Fleet, ask: Ask) -> Feasible:
    """The servers that could take one instance now."""
    of_kind = _by_kind(fleet, ask)
    left, short = _with_room(fleet, ask, of_kind.servers)
    counts, later, quota = [*of_kind.removed, *short], None, quotas(fleet, ask)
    for name, keeps in _by_company(fleet, ask, quota, of_kind.pools):
        kept = left[keeps(left)] if keeps else left
        if name == "Spread":
            later = left
        elif later is not None:
            later = later[keeps(later)] if keeps else later
        counts.append((name, len(left) - len(kept)))
        left = kept
    return Feasible(left, left if later is None else later, tuple(counts), len(fleet), quota)


def every(fleet: Fleet, ask: Ask) -> tuple[tuple[str, Mask], ...]:
    """What each filter keeps whatever the others do, in the order of `feasible`."""
    of_kind = ((kind.name, kind.mask(fleet, ask)) for kind in BY_KIND)
    of_room = ((resource_filter(name), _has(fleet, ask, name)) for name in fleet.needs(ask.load.requests).resources)
    by_company = _by_company(fleet, ask, quotas(fleet, ask), ALL)
    company = ((name, keeps(ALL) if keeps else _all(fleet, ALL)) for name, keeps in by_company)
    return (*of_kind, *of_room, *company)


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


def _schedulable(fleet: Fleet, ignores_cordon: bool) -> Mask:
    return fleet.mask(lambda node: node.schedulable or (ignores_cordon and node.cordoned))


def _pool(fleet: Fleet, pool: str) -> Mask:
    return fleet.mask(lambda node: not pool or node.pool == pool)


def _namespace(fleet: Fleet, namespace: str) -> Mask:
    closed = {pool.name for pool in fleet.pools.values() if pool.namespaces and namespace not in pool.namespaces}
    return fleet.mask(lambda node: node.pool not in closed)


def _pool_architecture(fleet: Fleet, _: None) -> Mask:
    taken = {pool.name: pool.architectures for pool in fleet.pools.values() if pool.architectures}
    return fleet.mask(lambda node: node.architecture in taken.get(node.pool, (node.architecture,)))


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
    """A filter by what a server is. `given` takes from an ask the part that the filter looks at. A filter that
    `changes` goes by what is charged to pools instead, so its answer can't be kept."""

    name: str
    given: Callable[[Ask], Hashable]
    keeps: Callable[[Fleet, Any], Mask]
    changes: bool = False

    def mask(self, fleet: Fleet, ask: Ask) -> Mask:
        given = self.given(ask)
        return (
            self.keeps(fleet, given)
            if self.changes
            else fleet.remembered((self.name, given), lambda: self.keeps(fleet, given))
        )


BY_KIND = (
    Kind("Named", attrgetter("server"), _named),
    Kind("Ready", lambda _: None, _ready),
    Kind("Schedulable", attrgetter("ignores_cordon"), _schedulable),
    Kind("Pool", attrgetter("pool"), _pool),
    Kind("Namespace", attrgetter("namespace"), _namespace),
    Kind("PoolArchitecture", lambda _: None, _pool_architecture),
    Kind("Watermark", lambda _: None, lambda fleet, _: below(fleet), changes=True),
    Kind("Architecture", attrgetter("architectures"), _architecture),
    Kind("Runtime", attrgetter("runtime"), _runtime),
    Kind("Features", attrgetter("features"), _features),
    Kind("Selector", lambda ask: tuple(sorted(ask.selector.items())), _selector),
    Kind("Taints", attrgetter("tolerations"), _taints),
)


class _OfKind(NamedTuple):
    """The servers of the kinds that would do, the codes of their pools, and how many each filter removed."""

    servers: Indices
    pools: Codes
    removed: Removed


def _by_kind(fleet: Fleet, ask: Ask) -> _OfKind:
    return fleet.remembered(("filters", above(fleet), _alike(ask)), lambda: _count_by_kind(fleet, ask))


def _alike(ask: Ask) -> tuple[Hashable, ...]:
    """What asks have in common for which servers of the same kinds would do."""
    return tuple([kind.given(ask) for kind in BY_KIND])


def _count_by_kind(fleet: Fleet, ask: Ask) -> _OfKind:
    left = np.ones(len(fleet), np.bool_)
    removed = []
    for kind in BY_KIND:
        kept = left & kind.mask(fleet, ask)
        removed.append((kind.name, int(np.count_nonzero(left) - np.count_nonzero(kept))))
        left = kept
    servers = np.flatnonzero(left)
    return _OfKind(servers, distinct(fleet.pool_codes[servers]), tuple(removed))


# By what is on a server now


@functools.lru_cache
def resource_filter(resource: str) -> str:
    """The name of a resource's filter: `cpu` → `Cpu`, `ephemeral-storage` → `EphemeralStorage`; an extended resource's
    is its own name."""
    return resource if "/" in resource else "".join(part.capitalize() for part in resource.split("-"))


def _with_room(fleet: Fleet, ask: Ask, servers: Indices) -> tuple[Indices, Removed]:
    """Those of the servers that have what is requested, and how many each resource's filter removed."""
    needs = fleet.needs(ask.load.requests)
    lacking, none = firsts.lacking(fleet, ask)[servers], len(needs.resources)
    names = map(resource_filter, needs.resources)
    if not len(servers) or lacking[lacking.argmin()] == none:  # mostly so, and faster than counting
        return servers, tuple(zip(names, itertools.repeat(0)))
    *counts, _ = np.bincount(lacking, minlength=none + 1).tolist()
    return servers[lacking == none], tuple(zip(names, counts, strict=True))


def _has(fleet: Fleet, ask: Ask, resource: str) -> Mask:
    amount = dict(ask.load.requests).get(resource, 0)
    if not amount or resource not in fleet.capacity:
        return np.full(len(fleet), not amount)
    mask: Mask = fleet.free(resource) >= amount
    return mask


def _by_company(fleet: Fleet, ask: Ask, quota: Amounts | None, pools: At) -> Iterator[tuple[str, Keeps]]:
    """By ports, neighbours and quotas: only those that the ask has any use for, and ports. The servers are of these
    pools, by their codes."""
    yield "Ports", (lambda at: _ports_free(fleet, ask, at)) if ask.load.ports else None
    if ask.affinity:
        yield "Affinity", lambda at: _near(fleet, ask, at)
    if ask.anti_affinity or ask.load.group in fleet.repelled:
        yield "AntiAffinity", lambda at: _apart(fleet, ask, at)
    if any(spread.required for spread in ask.spread):
        yield "Spread", lambda at: _even(fleet, ask, at)
    if quota is not None:
        is_open = min(quota[pools].tolist(), default=0) > 0
        yield "Quota", None if is_open else lambda at: (quota > 0)[fleet.pool_codes[at]]


def _all(fleet: Fleet, at: At) -> Mask:
    return np.ones(len(fleet) if isinstance(at, slice) else len(at), np.bool_)


def _ports_free(fleet: Fleet, ask: Ask, at: At) -> Mask:
    mask = _all(fleet, ALL)
    for port in ask.load.ports:
        mask[list(fleet.ports.get(port, ()))] = False
    return mask[at]


def _near(fleet: Fleet, ask: Ask, at: At) -> Mask:
    mask = _all(fleet, at)
    for term in ask.affinity:
        if term.weight is None:
            mask &= in_domains(fleet.domains(term.key), near(fleet, ask, term), at)
    return mask


def near(fleet: Fleet, ask: Ask, term: Term) -> Mask:
    """The domains that a required affinity allows. The first of a group that wants to be near its own may go anywhere.

    https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
    """
    counts = fleet.counts(term.groups, term.key)
    first = ask.load.group in term.groups and not any(fleet.groups.get(group) for group in term.groups)
    mask: Mask = (counts > 0) | first
    return mask


def _apart(fleet: Fleet, ask: Ask, at: At) -> Mask:
    mask = _all(fleet, at)
    for term in ask.anti_affinity:
        if term.weight is None:
            mask &= ~in_domains(fleet.domains(term.key), fleet.counts(term.groups, term.key) > 0, at)
    for key, holders in fleet.repelling(ask.load.group):
        mask &= ~in_domains(fleet.domains(key), holders > 0, at)
    return mask


def _even(fleet: Fleet, ask: Ask, at: At) -> Mask:
    mask = _all(fleet, at)
    for spread in ask.spread:
        if spread.required:
            domains = fleet.domains(spread.key)
            counts = fleet.counts((ask.load.group,), spread.key)
            mask &= in_domains(domains, even(counts, eligible(fleet, ask, spread.key), spread.max_skew), at)
    return mask


def eligible(fleet: Fleet, ask: Ask, key: str) -> Mask:
    """The domains of a topology key in which there is a server of a kind that would do, be its pool above a watermark
    or not: only these are compared when spreading. Not to be written to."""
    return fleet.remembered(("eligible", key, _alike(ask)), lambda: _eligible(fleet, ask, fleet.domains(key)))


def _eligible(fleet: Fleet, ask: Ask, domains: Domains) -> Mask:
    found = np.zeros(len(domains.names) + 1, np.bool_)
    would_do = np.logical_and.reduce([kind.mask(fleet, ask) for kind in BY_KIND if not kind.changes])
    found[domains.codes[would_do]] = True
    mask: Mask = found[:-1]
    return mask
