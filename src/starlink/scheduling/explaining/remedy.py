"""The smallest change that would let an instance fit."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from starlink.scheduling.arrays import Amounts, Indices
from starlink.scheduling.ask import HOSTNAME, Ask, Spread, Term
from starlink.scheduling.explaining.amounts import quantity, sized
from starlink.scheduling.explaining.newcomer import newcomer
from starlink.scheduling.explaining.reasons import (
    groups,
    is_placed,
    labels,
    listed,
    missing_features,
    missing_labels,
    place_of,
    taints,
    taken_ports,
    unlabelled,
    unmet,
    violated,
)
from starlink.scheduling.explaining.shortage import change, shortages
from starlink.scheduling.explaining.verdicts import Skews, Verdicts, capacity_of, resource_of, skews
from starlink.scheduling.filters import quota_left
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.rules import concerns_itself

_CURED_BY_A_SERVER = frozenset({"Ready", "Schedulable", "Architecture", "Runtime", "Features", "Ports", "AntiAffinity"})
_CHANGES = 3

Ways = tuple[str, ...]
"""The smallest change first, others that would do as well after it."""


class Case(NamedTuple):
    """A server that does not fit, and how many instances are missing."""

    verdicts: Verdicts
    server: int
    missing: int

    @property
    def fleet(self) -> Fleet:
        return self.verdicts.fleet

    @property
    def ask(self) -> Ask:
        return self.verdicts.ask

    @property
    def name(self) -> str:
        return self.fleet.names[self.server]

    @property
    def pool(self) -> str:
        """The pool in which the server would be."""
        return self.ask.pool or self.fleet.nodes[self.server].pool


def remedy(verdicts: Verdicts, server: int, missing: int) -> str:
    """The way out for the nearest server: past its one filter, or else a new server, or past each of its filters."""
    added = newcomer(verdicts.fleet, verdicts.ask, missing)
    if server < 0:
        return added or "ask fewer instances"
    failing = verdicts.failing(server)
    if len(failing) > 1 and added:
        return added
    changes = [_ways(Case(verdicts, server, missing), name) for name in failing]
    if len(changes) != 1:
        return _all_of([change for change, *_ in changes])
    return ", or ".join((*changes[0], added) if added and _is_cured_by_a_server(failing[0]) else changes[0])


def _all_of(changes: list[str]) -> str:
    more = f" and {len(changes) - _CHANGES} changes more" if changes[_CHANGES:] else ""
    return (" and ".join(changes[:_CHANGES]) or "ask fewer instances") + more


def _is_cured_by_a_server(name: str) -> bool:
    return name in _CURED_BY_A_SERVER or name not in _WAYS


def _ways(case: Case, name: str) -> Ways:
    ways = _WAYS.get(name)
    return ways(case) if ways else (_ask_less(case, name),)


# Ask less


def _ask_less(case: Case, name: str) -> str:
    resource = resource_of(case.ask, name)
    amount, instances = fitting(case, name)
    if not amount:
        return _make_room(case, resource)
    words = f"ask {quantity(resource, amount)} {resource}"
    return words if instances == case.missing else f"{words} for {instances} of the {case.missing}"


def _make_room(case: Case, resource: str) -> str:
    asked = dict(case.ask.load.requests)[resource]
    short = sized(resource, asked - int(case.fleet.free(resource)[case.server]))
    could = capacity_of(case.fleet, resource)[case.server] >= asked
    return f"free {short} on {case.name}" if could else f"offer {short} more on {case.name}"


def fitting(case: Case, name: str) -> tuple[int, int]:
    """The most of a filter's resource that could be asked, and for how many: for all that are missing where that takes
    no less than half of what is asked, else for one."""
    resource = resource_of(case.ask, name)
    asked, free = dict(case.ask.load.requests)[resource], case.fleet.free(resource)
    servers = case.verdicts.only(name)
    if case.missing > 1 and len(servers) and _is_unlimited(case, servers):
        places = _places(case, servers, but=resource)
        if (amount := _largest(free[servers], places, case.missing, asked)) * 2 >= asked:
            return amount, case.missing
    return max(0, int(free[case.server])), 1


def _largest(free: Amounts, places: Amounts, count: int, asked: int) -> int:
    """The largest amount that fits `count` times; of no more servers than that can more matter. 0 if there is none."""
    most = np.argpartition(-free, count)[:count] if count < len(free) else np.arange(len(free))
    free, places = free[most], places[most]
    low, high = 0, asked
    while high - low > 1:
        middle = (low + high) // 2
        fits = int(np.minimum(places, np.maximum(free, 0) // middle).sum()) >= count
        low, high = (middle, high) if fits else (low, middle)
    return low


def _places(case: Case, servers: Indices, but: str = "") -> Amounts:
    """How many of the missing each server has room for, but for one resource."""
    alone = case.ask.load.ports or any(concerns_itself(case.ask, term) for term in case.ask.anti_affinity)
    places = np.full(len(servers), 1 if alone else case.missing, np.int64)
    for key, amount in case.ask.load.requests:
        if amount and key != but:
            np.minimum(places, case.fleet.free(key)[servers] // amount, out=places)
    return places


def _is_unlimited(case: Case, servers: Indices) -> bool:
    """Whether servers are filled each for itself, with quota for all that are missing."""
    left = quota_left(case.fleet, case.ask)[case.fleet.pool_codes[servers]]
    return _is_independent(case.ask) and bool((left >= case.missing).all())


def _is_independent(ask: Ask) -> bool:
    """Whether placing one instance leaves the other servers as they are."""
    apart = any(concerns_itself(ask, term) and term.key != HOSTNAME for term in ask.anti_affinity)
    together = any(concerns_itself(ask, term) for term in ask.affinity)
    return not (apart or together or any(spread.required for spread in ask.spread))


# Change a pool


def _quota(case: Case) -> Ways:
    servers, codes = case.verdicts.only("Quota"), case.fleet.pool_codes
    servers = servers[codes[servers] == codes[case.server]]
    instances = 1
    if case.missing > 1 and len(servers) and _is_independent(case.ask):
        instances = max(1, min(case.missing, int(_places(case, servers).sum())))
    short = shortages(case.fleet, case.ask, case.pool, instances)
    changes = listed((change(case.fleet, one) for one in short), " and ")
    return (changes if instances == case.missing else f"{changes} for {instances} of the {case.missing}",)


def _watermark(case: Case) -> Ways:
    return f"wait until pool {case.pool} is below its low watermark", "stop something in it"


def _namespace(case: Case) -> Ways:
    return (f"add {case.ask.namespace} to pool {case.pool}'s namespaces",)


def _pool_architecture(case: Case) -> Ways:
    return (f"add {case.fleet.nodes[case.server].architecture} to pool {case.pool}'s architectures",)


# Change a server


def _features(case: Case) -> Ways:
    return (f"offer {listed(missing_features(case.fleet, case.ask, case.server), ' and ')} on {case.name}",)


def _selector(case: Case) -> Ways:
    wanted = labels(missing_labels(case.fleet, case.ask, case.server))
    return f"label {case.name} {wanted}", "change placement.serverSelector"


def _architecture(case: Case) -> Ways:
    return (f"add an artifact variant for {case.fleet.nodes[case.server].architecture}",)


# Change a rule


def _taints(case: Case) -> Ways:
    kept_out = listed(taints(case.fleet, case.ask, case.server), " and ")
    return f"tolerate {kept_out} (placement.tolerations)", f"take it off {case.name}"


def _ports(case: Case) -> Ways:
    return (f"ask port 0 instead of {listed(map(str, taken_ports(case.fleet, case.ask, case.server)), ' and ')}",)


def _affinity(case: Case) -> Ways:
    term = unmet(case.fleet, case.ask, case.server)[0]
    if unlabelled(case.fleet, (term.key,)):
        return (f"label servers with {term.key}",)
    where = place_of(case.fleet, term.key, case.server)
    if not where:
        return (f"label {case.name} with {term.key}",)
    return _company(case.fleet, term, where), "give the affinity a weight"


def _company(fleet: Fleet, term: Term, where: str) -> str:
    if not term.groups:
        return "create a task that its taskSelector matches"
    if not is_placed(fleet, term):
        return f"place {groups(term.groups)} first"
    return f"place an instance of {groups(term.groups)} {where}"


def _anti_affinity(case: Case) -> Ways:
    terms = violated(case.fleet, case.ask, case.server)
    if not terms:
        return (f"give the antiAffinity to {case.ask.load.group} of the tasks near {case.name} a weight",)
    return (f"give the antiAffinity to {groups(terms[0].groups)} a weight",)


def _spread(case: Case) -> Ways:
    musts = [spread for spread in case.ask.spread if spread.required]
    if unknown := unlabelled(case.fleet, (spread.key for spread in musts)):
        return (f"label servers with {listed(unknown, ' and ')}",)
    changes = (_wider(case, spread, skews(case.fleet, case.ask, spread)) for spread in musts)
    change, *others = (one for one in changes if one)
    return (" and ".join((change[0], *(other[0] for other in others))), *change[1:])


def _wider(case: Case, spread: Spread, found: Skews) -> Ways:
    code = found.domains.codes[case.server]
    if code < 0:
        return (f"label {case.name} with {spread.key}",)
    if found.skews[code] <= spread.max_skew:
        return ()
    return f"raise the maxSkew of {spread.key} to {found.skews[code]}", f"make room in {found.emptiest}"


_WAYS: dict[str, Callable[[Case], Ways]] = {
    "Named": lambda case: (f"name another server than {case.ask.server}",),
    "Ready": lambda case: (f"bring back the agent on {case.name}",),
    "Schedulable": lambda case: (f"uncordon {case.name} (spec.unschedulable: false)",),
    "Pool": lambda case: (f"move it with `starlink pool move {case.name} {case.ask.pool}`",),
    "Namespace": _namespace,
    "PoolArchitecture": _pool_architecture,
    "Watermark": _watermark,
    "Architecture": _architecture,
    "Runtime": lambda case: (f"offer the runtime {case.ask.runtime} on {case.name}",),
    "Features": _features,
    "Selector": _selector,
    "Taints": _taints,
    "Ports": _ports,
    "Affinity": _affinity,
    "AntiAffinity": _anti_affinity,
    "Spread": _spread,
    "Quota": _quota,
}
