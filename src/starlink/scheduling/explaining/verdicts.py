"""What every filter says of every server, and which server is the nearest to fitting."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from starlink.scheduling import filters
from starlink.scheduling.arrays import Amounts, Indices, Mask
from starlink.scheduling.ask import Ask, Spread
from starlink.scheduling.domains import Domains
from starlink.scheduling.explaining.labelling import OF_THE_MACHINE
from starlink.scheduling.explaining.move import left_with, quota_left_with
from starlink.scheduling.explaining.shortage import missing_shares
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.quotas import quota_left
from starlink.scheduling.score import Scores
from starlink.scheduling.watermarks import above

_EFFORTS = {
    "Quota": 2.0, "Taints": 2.0, "Spread": 2.0, "Watermark": 2.5, "Ports": 2.5, "Namespace": 3.0, "Schedulable": 3.0,
    "PoolArchitecture": 3.0, "Pool": 3.5, "Affinity": 4.0, "AntiAffinity": 4.0, "Ready": 4.0, "Runtime": 4.0,
    "Features": 4.0, "Selector": 4.5, "Architecture": 5.0, "Named": 50.0,
}  # fmt: skip
"""How much it takes to get past a filter: least where its user can change the ask or a number, most where it takes
another machine. Labels say what a server is, and are changed after that only. A resource takes 1, and up to 4 more for
the share of it that is missing."""

_NOTHING_FREE = 5.0
_TOO_SMALL = 6.0
_FAILING_ONE_MORE = 100.0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """`removed` are the servers that each filter is the first to remove. `near` is what each filter keeps, a server
    outside the asked pool judged as if it were moved there; `fails` counts how many of those do not keep a server."""

    fleet: Fleet
    ask: Ask
    removed: tuple[tuple[str, Indices], ...]
    near: dict[str, Mask]
    fails: Amounts

    def failing(self, server: int) -> tuple[str, ...]:
        """The filters that do not keep a server."""
        return tuple(name for name, mask in self.near.items() if not mask[server])

    def only(self, name: str) -> Indices:
        """The servers that this filter alone does not keep."""
        return np.flatnonzero(~self.near[name] & (self.fails == 1))


def judge(fleet: Fleet, ask: Ask) -> Verdicts:
    """What every filter says of every server, with all charges of the fleet."""
    every = filters.every(fleet, ask)
    near = dict(every)
    _move_in(fleet, ask, near)
    if "Spread" in near:
        near["Spread"] = _could_be_even(fleet, ask)
    fails = np.zeros(len(fleet), np.int64)
    for mask in near.values():
        fails += ~mask
    return Verdicts(fleet, ask, _first_to_remove(fleet, every), near, fails)


def _first_to_remove(fleet: Fleet, every: tuple[tuple[str, Mask], ...]) -> tuple[tuple[str, Indices], ...]:
    left = np.ones(len(fleet), np.bool_)
    removed = []
    for name, kept in every:
        removed.append((name, np.flatnonzero(left & ~kept)))
        left &= kept
    return tuple(removed)


def _move_in(fleet: Fleet, ask: Ask, near: dict[str, Mask]) -> None:
    if near["Pool"].all():
        return
    there, pool = welcome(fleet, ask), fleet.pools.get(ask.pool)
    architectures = pool.architectures if pool else ()
    outside = ~near["Pool"]
    below, within = left_with(fleet, ask) > 0, quota_left_with(fleet, ask) > 0
    for name, kept in (("Namespace", there.namespace), ("Watermark", below), ("Quota", within)):
        if name in near:
            near[name] = np.where(outside, kept, near[name])
    near["PoolArchitecture"] = np.where(outside, _of_architecture(fleet, architectures), near["PoolArchitecture"])


class Welcome(NamedTuple):
    """Whether the asked pool takes anything in, by filter."""

    namespace: bool = True
    watermark: bool = True
    quota: bool = True


def welcome(fleet: Fleet, ask: Ask) -> Welcome:
    """What the asked pool's policy says of the ask, whatever its servers are."""
    pool = fleet.pools.get(ask.pool)
    if pool is None:
        return Welcome()
    left = quota_left(fleet, ask)[fleet.pool_names.index(ask.pool)]
    is_open = not pool.namespaces or ask.namespace in pool.namespaces
    return Welcome(is_open, ask.pool not in above(fleet), bool(left > 0))


def _of_architecture(fleet: Fleet, architectures: tuple[str, ...]) -> Mask:
    return fleet.remembered(
        ("of", architectures), lambda: fleet.mask(lambda node: not architectures or node.architecture in architectures)
    )


# Spreading


class Skews(NamedTuple):
    """By domain, how far it would be above the emptiest with one more. A domain that no server of a fitting kind is in
    is compared as if there were one."""

    domains: Domains
    skews: Amounts
    emptiest: str


def skews(fleet: Fleet, ask: Ask, spread: Spread) -> Skews:
    """How far one more instance would lift each domain of a topology key above the emptiest."""
    domains = fleet.domains(spread.key)
    counts = fleet.counts((ask.load.group,), spread.key)
    among = filters.eligible(fleet, ask, spread.key)
    if not among.any():
        return Skews(domains, np.ones(len(counts), np.int64), "")
    lowest = counts[among].min()
    emptiest = domains.names[int(np.argmax(among & (counts == lowest)))]
    return Skews(domains, counts + 1 - np.minimum(counts, lowest), emptiest)


def _could_be_even(fleet: Fleet, ask: Ask) -> Mask:
    mask = np.ones(len(fleet), np.bool_)
    for spread in ask.spread:
        if spread.required:
            domains, above, _ = skews(fleet, ask, spread)
            mask &= np.append(above <= spread.max_skew, np.False_)[domains.codes]
    return mask


# The nearest


def nearest(verdicts: Verdicts) -> int:
    """The server that is nearest to fitting: the one removed by the fewest filters, among those the one that needs the
    least to get past them, among those the first. A server that is asked for by name is it without comparison. Where
    servers are planned, only those are compared. -1 when every server fits."""
    fleet, ask = verdicts.fleet, verdicts.ask
    if ask.server:
        return fleet.index.get(ask.server, -1)
    unfit = verdicts.fails > 0
    if fleet.planned:
        planned = unfit & fleet.mask(lambda node: node.name in fleet.planned)
        unfit = planned if planned.any() else unfit
    if not unfit.any():
        return -1
    distance = _FAILING_ONE_MORE * verdicts.fails
    for name, kept in verdicts.near.items():
        if not kept.all():
            distance = distance + ~kept * _effort(verdicts, name)
    return int(np.argmin(np.where(unfit, distance, np.inf)))


def _effort(verdicts: Verdicts, name: str) -> Scores | float:
    fleet, ask = verdicts.fleet, verdicts.ask
    if name == "Quota":
        return _EFFORTS[name] + missing_shares(fleet, ask)[_pool_codes(verdicts)]
    if name == "Selector":
        return _EFFORTS[name] + _mislabelled(fleet, ask)
    if name in _EFFORTS:
        return _EFFORTS[name]
    resource = resource_of(ask, name)
    asked, free = dict(ask.load.requests)[resource], fleet.free(resource)
    nothing = np.where(capacity_of(fleet, resource) >= asked, _NOTHING_FREE, _TOO_SMALL)
    effort: Scores = np.where(free > 0, 1.0 + 4.0 * (asked - free) / asked, nothing)
    return effort


def _mislabelled(fleet: Fleet, ask: Ask) -> Scores:
    """How many of the wanted labels each server has other values of, or half as bad, none of, 0 to 1; much more where
    nobody can give it the one that is wanted."""
    efforts = np.zeros(len(fleet))
    for key, value in ask.selector.items():
        codes, names = fleet.labelled(key)
        wrong = (codes >= 0) & (codes != (names.index(value) if value in names else -1))
        efforts += wrong * (_EFFORTS["Named"] if key in OF_THE_MACHINE else 1.0) + 0.5 * (codes < 0)
    return efforts / max(1, len(ask.selector))


def capacity_of(fleet: Fleet, resource: str) -> Amounts:
    """What each server has of a resource, taken or not."""
    return fleet.capacity[resource] if resource in fleet.capacity else np.zeros(len(fleet), np.int64)


def _pool_codes(verdicts: Verdicts) -> Indices:
    """The pool in which each server would be."""
    fleet, ask = verdicts.fleet, verdicts.ask
    if ask.pool not in fleet.pools:
        return fleet.pool_codes
    return np.where(verdicts.near["Pool"], fleet.pool_codes, fleet.pool_names.index(ask.pool))


def resource_of(ask: Ask, name: str) -> str:
    """The resource whose filter has this name."""
    return next(resource for resource, _ in ask.load.requests if filters.resource_filter(resource) == name)
