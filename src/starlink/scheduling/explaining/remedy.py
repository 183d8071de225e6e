"""The smallest change that would let an instance fit."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from starlink.api.refusal import listed
from starlink.api.remedy import Remedy, Way, all_of, share, way
from starlink.scheduling.arrays import Indices
from starlink.scheduling.ask import Spread, Term
from starlink.scheduling.explaining import watermark
from starlink.scheduling.explaining.adding import words_to_add
from starlink.scheduling.explaining.amounts import quantity
from starlink.scheduling.explaining.asking_less import (
    Case,
    fitting,
    is_independent,
    make_room,
    places_on,
    room_but_for,
    taken_by_pool,
)
from starlink.scheduling.explaining.contradiction import contradiction, is_forbidden
from starlink.scheduling.explaining.labelling import OF_THE_MACHINE, few_labels, missing_labels, unlabelled
from starlink.scheduling.explaining.move import brought
from starlink.scheduling.explaining.newcomer import domain_for, is_shunned, keys_of, newcomer
from starlink.scheduling.explaining.ports import taken_ports, without_ports
from starlink.scheduling.explaining.reasons import (
    groups,
    is_first,
    is_placed,
    missing_features,
    place_of,
    taints,
    unmet,
    violated,
)
from starlink.scheduling.explaining.shortage import Claims, changes, shortages
from starlink.scheduling.explaining.verdicts import Skews, Verdicts, resource_of, skews

_CURED_BY_A_SERVER = frozenset(
    {"Ready", "Schedulable", "Architecture", "Runtime", "Features", "Ports", "AntiAffinity", "Selector"}
)
_NEIGHBOURLY = frozenset({"Affinity", "AntiAffinity", "Spread"})  # what other changes do to these is not foreseen
_DECLARED = "placement.architectures"

Ways = tuple[Way, ...]
"""The smallest change first, others that would do as well after it."""


def remedy(verdicts: Verdicts, server: int, missing: int, mates: Indices, claims: Claims | None = None) -> Remedy:
    """The way out for the nearest server: past its one filter, or else a new server, or past each of its filters; for a
    gang only what lets all of it fit. Where demands contradict one another, which."""
    if server >= 0 and (found := contradiction(verdicts.fleet, verdicts.ask)):
        alone = not verdicts.ask.gang and found.filters.issuperset(verdicts.failing(server))
        return Remedy((found.way,), found.problem, is_a_start=not alone)
    added = newcomer(verdicts.fleet, verdicts.ask, missing)
    if server < 0:
        return Remedy((added or _fewer(missing, verdicts.ask.server),))
    case = Case(verdicts, server, missing, mates, claims)
    if words := words_to_add(case):
        return Remedy((words,))
    return _for_the_gang(case, added) if verdicts.ask.gang else _for_one(case, added)


def _for_one(case: Case, added: Way | None) -> Remedy:
    failing = case.verdicts.failing(case.server)
    if len(failing) > 1 and added:
        return Remedy((added,))
    ways = [_ways(case, name) for name in failing]
    if len(ways) != 1:
        together = all_of(first for first, *_ in ways) if ways else way("AskFewest")
        return Remedy((together,), is_a_start=len(ways) > 1 and not _NEIGHBOURLY.isdisjoint(failing))
    return Remedy((*ways[0], added) if added and _is_cured_by_a_server(failing[0]) else ways[0])


def _for_the_gang(case: Case, added: Way | None) -> Remedy:
    failing = case.verdicts.failing(case.server)
    ways = list(_ways(case, failing[0])) if len(failing) == 1 and _helps_all(case, failing[0]) else []
    ways += [added] if added else []
    ways += [_fewer(case.missing, case.ask.server)] if len(case.mates) else []
    if ways:
        return Remedy(tuple(ways))
    first = all_of(_ways(case, name)[0] for name in failing) if failing else way("AskFewest")
    return Remedy((first,), "no one change lets the whole gang fit", is_a_start=True)


def _helps_all(case: Case, name: str) -> bool:
    """Whether getting past this filter alone gives a place to all of the gang that are missing."""
    if not is_independent(case.ask):
        return False
    if name in ("Quota", "Watermark"):
        return room_but_for(case, name) >= case.missing
    if name not in _WAYS and (case.missing == 1 or fitting(case, name)[0]):
        return True
    here = np.array([case.server])
    but = "" if name in _WAYS else resource_of(case.ask, name)
    room = int((places_on(case, here, but) - case.mates_on(here))[0])
    return name in _WAYS and min(room, taken_by_pool(case)) >= case.missing


def _fewer(missing: int, server: str) -> Way:
    return way("AskFewerOn" if server else "AskFewer", server, value=str(missing))


def _is_cured_by_a_server(name: str) -> bool:
    return name in _CURED_BY_A_SERVER or name not in _WAYS


def _ways(case: Case, name: str) -> Ways:
    ways = _WAYS.get(name)
    return ways(case) if ways else (_ask_less(case, name),)


# Ask less


def _ask_less(case: Case, name: str) -> Way:
    resource = resource_of(case.ask, name)
    amount, instances = fitting(case, name)
    if not amount:
        return make_room(case, resource)
    helps = share(instances, case.missing)
    return way("AskLess", field=resource, value=quantity(resource, amount), helps=helps)


# Change a pool


def _quota(case: Case) -> Ways:
    instances = 1
    if case.missing > 1 and is_independent(case.ask):
        instances = max(1, min(case.missing, room_but_for(case, "Quota")))
    short = shortages(case.fleet, case.ask, case.pool, instances, brought(case.fleet, case.ask, case.server))
    *first, last = changes(case.fleet, short, _enough(case, instances))
    return (Way((*first, replace(last, helps=share(instances, case.missing)))),)


def _enough(case: Case, instances: int) -> Callable[[Mapping[str, int]], bool] | None:
    """Whether raising the pool's quota is enough for so many, with what others then give back, where that is known."""
    claims = case.claims if case.pool == case.fleet.nodes[case.server].pool else None
    return None if claims is None else lambda raised: claims.fits(instances, case.mates, case.pool, raised)


def _namespace(case: Case) -> Ways:
    return (way("AdmitNamespace", case.pool, value=case.ask.namespace),)


def _pool_architecture(case: Case) -> Ways:
    return (way("AdmitArchitecture", case.pool, value=case.fleet.nodes[case.server].architecture),)


# Change a server


def _features(case: Case) -> Ways:
    wanted = listed(missing_features(case.fleet, case.ask, case.server), " and ")
    return (way("OfferFeatures", case.name, value=wanted),)


def _selector(case: Case) -> Ways:
    missing = missing_labels(case.fleet, case.ask, case.server)
    take_out = way("DropLabels", value=few_labels(missing))
    return (way("Label", case.name, value=few_labels(missing)), take_out) if _could_have(case, missing) else (take_out,)


def _could_have(case: Case, missing: Iterable[tuple[str, str]]) -> bool:
    """Whether labels would say nothing false of a server, nor put it into a domain that is closed."""
    has = case.fleet.nodes[case.server].labels
    closed = [key for key, _ in missing if key in keys_of(case.fleet, case.ask) and not _domain(case, key)]
    return not closed and not any(key in OF_THE_MACHINE or key in has for key, _ in missing)


def _domain(case: Case, key: str) -> Way | None:
    """The label that puts a server that has none into a domain that would do, None where none would."""
    where = domain_for(case.fleet, case.ask, key)
    if where is None or is_shunned(case.fleet, case.ask, key, case.server):
        return None
    return way("Label", case.name, value=f"{key}={where.domain}") if where.domain else way("LabelOwn", case.name, key)


def _architecture(case: Case) -> Ways:
    architecture = case.fleet.nodes[case.server].architecture
    if case.ask.architectures_from == _DECLARED:
        return (way("AddArchitecture", value=architecture),)
    return (way("AddVariant", value=architecture),)


# Change a rule


def _taints(case: Case) -> Ways:
    kept_out = listed(taints(case.fleet, case.ask, case.server), " and ")
    return way("Tolerate", value=kept_out), way("Untaint", case.name)


def _ports(case: Case) -> Ways:
    return (without_ports(case.ask, taken_ports(case.fleet, case.ask, case.server)),)


def _affinity(case: Case) -> Ways:
    terms = unmet(case.fleet, case.ask, case.server)
    first, *others = [_company(case, term) for term in terms]
    change = all_of([first[0], *(other[0] for other in others)])
    labelled = all(place_of(case.fleet, term.key, case.server) for term in terms)
    weight = way("WeighAffinities" if others else "WeighAffinity")
    return tuple(dict.fromkeys((change, weight))) if labelled else (change,)


def _company(case: Case, term: Term) -> Ways:
    if not term.groups:
        return (way("CreateMatch"),)
    if term.groups <= case.ask.unknown:
        return (way("CreateTask", groups(term.groups)),)
    if is_forbidden(case.ask, term) or _keeps_away(case, term):
        return (way("WeighAffinity"),)
    if not is_first(case.fleet, case.ask, term) and not is_placed(case.fleet, term):
        return (way("PlaceFirst", groups(term.groups)),)
    if unlabelled(case.fleet, (term.key,)):
        closed = is_shunned(case.fleet, case.ask, term.key)
        return (way("WeighAffinity") if closed else way("LabelServers", value=term.key),)
    where = place_of(case.fleet, term.key, case.server)
    if not where:
        return (_domain(case, term.key) or way("WeighAffinity"),)
    return (way("Place", groups(term.groups), value=where),)


def _keeps_away(case: Case, term: Term) -> bool:
    """Whether instances of the term's groups keep the asking one away themselves."""
    holders = {server for group in term.groups for server in case.fleet.groups.get(group, ())}
    repelling = case.fleet.repelled.get(case.ask.load.group, {})
    return any(not holders.isdisjoint(servers) for servers in repelling.values())


def _anti_affinity(case: Case) -> Ways:
    near = frozenset(group for term in violated(case.fleet, case.ask, case.server) for group in term.groups)
    changes = [way("WeighAntiAffinity", value=groups(near))] if near else []
    if _is_kept_away(case):
        changes.append(way("WeighTheirs", case.name, value=case.ask.load.group))
    return (all_of(changes),)


def _is_kept_away(case: Case) -> bool:
    """Whether another task's antiAffinity keeps the ask away; what its own instances repel, its own term says."""
    own = [term for term in case.ask.load.repels if case.ask.load.group in term.groups]
    for key, holders in case.fleet.repelled.get(case.ask.load.group, {}).items():
        codes = case.fleet.domains(key).codes
        there = [server for server in holders if codes[server] == codes[case.server] >= 0]
        itself = case.fleet.groups.get(case.ask.load.group, {}) if any(term.key == key for term in own) else {}
        if any(server not in itself for server in there):
            return True
    return False


def _spread(case: Case) -> Ways:
    musts = [spread for spread in case.ask.spread if spread.required]
    if unknown := unlabelled(case.fleet, (spread.key for spread in musts)):
        if any(is_shunned(case.fleet, case.ask, key) for key in unknown):
            return (way("SpreadAnyway", field=listed(unknown, " and ")),)
        return (way("LabelServers", value=listed(unknown, " and ")),)
    changes = (_wider(case, spread, skews(case.fleet, case.ask, spread)) for spread in musts)
    change, *others = (one for one in changes if one)
    firsts = (change[0], *(other[0] for other in others))
    return (Way(tuple(one for first in firsts for one in first.changes)), *change[1:])


def _wider(case: Case, spread: Spread, found: Skews) -> Ways:
    code = found.domains.codes[case.server]
    if code < 0:
        return (_domain(case, spread.key) or way("SpreadAnyway", field=spread.key),)
    if found.skews[code] <= spread.max_skew:
        return ()
    return way("RaiseSkew", field=spread.key, value=str(found.skews[code])), way("MakeRoom", found.emptiest)


_WAYS: dict[str, Callable[[Case], Ways]] = {
    "Named": lambda case: (way("NameServerBut", case.ask.server),),
    "Ready": lambda case: (way("BringBack", case.name),),
    "Schedulable": lambda case: (way("Uncordon", case.name),),
    "Pool": lambda case: (way("MoveServer", case.name, value=case.ask.pool),),
    "Namespace": _namespace,
    "PoolArchitecture": _pool_architecture,
    "Watermark": watermark.ways,
    "Architecture": _architecture,
    "Runtime": lambda case: (way("OfferRuntime", case.name, value=case.ask.runtime),),
    "Features": _features,
    "Selector": _selector,
    "Taints": _taints,
    "Ports": _ports,
    "Affinity": _affinity,
    "AntiAffinity": _anti_affinity,
    "Spread": _spread,
    "Quota": _quota,
}
