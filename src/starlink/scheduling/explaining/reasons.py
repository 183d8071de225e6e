"""What each filter means in words: of the servers that it removed, and of the one server that was nearest."""

from collections.abc import Callable, Iterable

import numpy as np

from starlink.api.refusal import listed
from starlink.scheduling.arrays import Indices
from starlink.scheduling.ask import HOSTNAME, Ask, Term
from starlink.scheduling.explaining.amounts import quantity, sized
from starlink.scheduling.explaining.labelling import few_labels, missing_labels, unlabelled
from starlink.scheduling.explaining.move import brought
from starlink.scheduling.explaining.ports import with_holders
from starlink.scheduling.explaining.shortage import shortages
from starlink.scheduling.explaining.verdicts import capacity_of, resource_of, skews
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.taints import keeps_out

_LOOKED_AT = 100


def reason(fleet: Fleet, ask: Ask, name: str, servers: Indices) -> str:
    """What the servers that a filter removed have in common, to be read after their number."""
    words = _REASONS.get(name)
    return words(fleet, ask, servers) if words else _short(fleet, resource_of(ask, name), ask, servers)


def lack(fleet: Fleet, ask: Ask, name: str, server: int) -> str:
    """What a server that a filter removed lacks, to be read after `lacks`."""
    words = _LACKS.get(name)
    if words:
        return words(fleet, ask, server)
    resource = resource_of(ask, name)
    asked = dict(ask.load.requests)[resource]
    return sized(resource, shortfall(fleet, ask, resource, server) or asked)


def shortfall(fleet: Fleet, ask: Ask, resource: str, server: int) -> int:
    """How much of a resource has to be freed or offered on a server; 0 where it is enough that what stops there has
    stopped. Where a newcomer has been given its room already, that room is charged twice until then."""
    asked, free = dict(ask.load.requests)[resource], int(fleet.free(resource)[server])
    if free < 0:
        free += _stopping(fleet, resource, fleet.names[server])
    return max(0, asked - free)


def _stopping(fleet: Fleet, resource: str, server: str) -> int:
    there = (charge for charge in fleet.charges.values() if charge.stopping and charge.server == server)
    return sum(dict(charge.load.requests).get(resource, 0) for charge in there)


# By what a server is


def _lacks_labels(fleet: Fleet, ask: Ask, server: int) -> str:
    missing = missing_labels(fleet, ask, server)
    return f"the label{'s' if missing[1:] else ''} {few_labels(missing)}"


def _selector(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    wanted = few_labels(ask.selector.items())
    if unknown := unlabelled(fleet, sorted(ask.selector)):
        return f"without the labels {wanted} (no server has the label {listed(unknown)})"
    return f"without the labels {wanted}"


def taints(fleet: Fleet, ask: Ask, server: int) -> list[str]:
    """The taints of a server that keep the ask out, as `key=value:effect`."""
    return [
        f"{taint.key}{'=' if taint.value else ''}{taint.value}:{taint.effect}"
        for taint in fleet.nodes[server].taints
        if keeps_out(taint, ask.tolerations)
    ]


def _taints(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    found = dict.fromkeys(taint for server in servers[:_LOOKED_AT].tolist() for taint in taints(fleet, ask, server))
    return f"with a taint that is not tolerated ({listed(found)})"


def missing_features(fleet: Fleet, ask: Ask, server: int) -> list[str]:
    """The wanted features that a server does not offer."""
    return sorted(ask.features.difference(fleet.nodes[server].features))


def _features(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    offered = fleet.remembered("features", lambda: {feature for node in fleet.nodes for feature in node.features})
    wanted = listed(sorted(ask.features))
    if unknown := sorted(ask.features - offered):
        return f"without the features {wanted} (no server offers {listed(unknown)})"
    return f"without the features {wanted}"


def pools(fleet: Fleet, servers: Indices) -> str:
    """The names of the servers' pools."""
    return listed(fleet.pool_names[code] or "no pool" for code in np.unique(fleet.pool_codes[servers]))


def _architecture(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    return f"of another architecture (wants {' or '.join(ask.architectures)}: {ask.architectures_from})"


def _pool_architecture(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    return f"of an architecture that their pool does not take ({pools(fleet, servers)})"


# By what is on it


def _short(fleet: Fleet, resource: str, ask: Ask, servers: Indices) -> str:
    asked, free = dict(ask.load.requests)[resource], fleet.free(resource)[servers]
    asks = f"asks {quantity(resource, asked, up=True)}"
    capacity = capacity_of(fleet, resource)[servers]
    if not capacity.any():
        return f"without {resource} ({asks})"
    if (largest := int(capacity.max())) < asked:
        name = fleet.names[servers[int(np.argmax(capacity))]]
        return f"short of {resource} ({asks}, the largest server, {name}, has {quantity(resource, largest)})"
    most = int(np.argmax(free))
    amount = quantity(resource, max(0, int(free[most])))
    return f"short of {resource} ({asks}, most free {amount} on {fleet.names[servers[most]]})"


def _ports(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    ports = sorted(map(str, ask.load.ports), key=int)
    return f"with port {listed(ports, ' or ')} taken"


# Neighbours


def groups(names: Iterable[str]) -> str:
    """The tasks that a term is about."""
    return listed(sorted(names), " or ") or "a task of its taskSelector"


def place_of(fleet: Fleet, key: str, server: int) -> str:
    """The domain that a server is in, to be read after what is there; "" without one."""
    if key == HOSTNAME:
        return f"on {fleet.names[server]}"
    domains = fleet.domains(key)
    return f"in {key}={domains.names[domains.codes[server]]}" if domains.codes[server] >= 0 else ""


def _within(key: str) -> str:
    return "on a server" if key == HOSTNAME else f"in a {key}"


def is_placed(fleet: Fleet, term: Term) -> bool:
    """Whether an instance of the term's groups is anywhere."""
    return any(fleet.groups.get(group) for group in term.groups)


def _is_near(fleet: Fleet, term: Term, server: int) -> bool:
    """Whether an instance of the term's groups is in the domain that a server is in."""
    holders = [fleet.groups.get(group, {}) for group in term.groups]
    if term.key == HOSTNAME:
        return any(server in servers for servers in holders)
    codes = fleet.domains(term.key).codes
    same = (codes[np.fromiter(servers, np.intp, len(servers))] == codes[server] for servers in holders)
    return bool(codes[server] >= 0 and any(found.any() for found in same))


def unmet(fleet: Fleet, ask: Ask, server: int) -> list[Term]:
    """The required affinities that a server does not meet."""
    musts = [term for term in ask.affinity if term.weight is None and not _is_near(fleet, term, server)]
    return [term for term in musts if not is_first(fleet, ask, term) or not place_of(fleet, term.key, server)]


def is_first(fleet: Fleet, ask: Ask, term: Term) -> bool:
    """Whether the ask is the first of a group that wants to be near its own, which may go to any domain."""
    return ask.load.group in term.groups and not is_placed(fleet, term)


def violated(fleet: Fleet, ask: Ask, server: int) -> list[Term]:
    """The required anti-affinities of the ask that a server does not meet; none where another task's keep it away."""
    return [term for term in ask.anti_affinity if term.weight is None and _is_near(fleet, term, server)]


def _affinity(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    term = unmet(fleet, ask, int(servers[0]))[0]
    if unlabelled(fleet, (term.key,)):
        return f"not near {groups(term.groups)} (no server has the label {term.key})"
    if not is_placed(fleet, term):
        none = "no instance is placed" if term.groups else "none matches"
        none = "there is no such task" if term.groups and term.groups <= ask.unknown else none
        return f"not near {groups(term.groups)} ({none})"
    return f"not {_within(term.key)} with {groups(term.groups)}"


def _anti_affinity(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    terms = violated(fleet, ask, int(servers[0]))
    if not terms:
        return f"near a task whose antiAffinity keeps {ask.load.group} away"
    return f"{_within(terms[0].key)} with {groups(terms[0].groups)}"


def _spread(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    keys = [spread.key for spread in ask.spread if spread.required]
    if unknown := unlabelled(fleet, keys):
        return f"without a domain to spread over (no server has the label {listed(unknown)})"
    first = next(spread for spread in ask.spread if spread.required)
    emptiest = skews(fleet, ask, first).emptiest
    return f"too full for maxSkew {first.max_skew} of {listed(keys)}" + (f" ({emptiest} has least)" if emptiest else "")


def _quota(fleet: Fleet, ask: Ask, servers: Indices) -> str:
    codes = np.unique(fleet.pool_codes[servers])
    if len(codes) > 1:
        return f"in pools without quota left ({pools(fleet, servers)})"
    short = shortages(fleet, ask, fleet.pool_names[codes[0]])
    keys = (
        f"{one.key} (asks {quantity(one.key, one.needed, up=True)}, {quantity(one.key, one.left)} left)"
        for one in short
    )
    return f"in pool {fleet.pool_names[codes[0]]}, short of quota for {listed(keys, ' and ')}"


def _lacks_affinity(fleet: Fleet, ask: Ask, server: int) -> str:
    term = unmet(fleet, ask, server)[0]
    where = place_of(fleet, term.key, server)
    return f"an instance of {groups(term.groups)} {where}" if where else f"the label {term.key}"


def _lacks_anti_affinity(fleet: Fleet, ask: Ask, server: int) -> str:
    terms = violated(fleet, ask, server)
    if not terms:
        return f"neighbours that bear {ask.load.group}"
    return f"a place {_within(terms[0].key)} without {groups(terms[0].groups)}"


def _lacks_spread(fleet: Fleet, ask: Ask, server: int) -> str:
    for spread in ask.spread:
        domains, above, _ = skews(fleet, ask, spread)
        if spread.required and domains.codes[server] < 0:
            return f"the label {spread.key}"
        if spread.required and above[domains.codes[server]] > spread.max_skew:
            return f"a maxSkew of {above[domains.codes[server]]}"
    return "an even spread"


def _lacks_quota(fleet: Fleet, ask: Ask, server: int) -> str:
    pool = ask.pool or fleet.nodes[server].pool
    lacking = shortages(fleet, ask, pool, brought=brought(fleet, ask, server))
    short = (sized(one.key, one.needed - one.left) for one in lacking)
    return f"{listed(short, ' and ')} of pool {pool}'s quota"


_REASONS: dict[str, Callable[[Fleet, Ask, Indices], str]] = {
    "Named": lambda fleet, ask, _: f"other than {ask.server}",
    "Ready": lambda *_: "not ready",
    "Schedulable": lambda *_: "cordoned or leaving",
    "Pool": lambda fleet, ask, _: f"outside pool {ask.pool}",
    "Namespace": lambda fleet, ask, at: f"in pools closed to namespace {ask.namespace} ({pools(fleet, at)})",
    "PoolArchitecture": _pool_architecture,
    "Watermark": lambda fleet, _, servers: f"in pools above their high watermark ({pools(fleet, servers)})",
    "Architecture": _architecture,
    "Runtime": lambda fleet, ask, _: f"without the runtime {ask.runtime}",
    "Features": _features,
    "Selector": _selector,
    "Taints": _taints,
    "Ports": _ports,
    "Affinity": _affinity,
    "AntiAffinity": _anti_affinity,
    "Spread": _spread,
    "Quota": _quota,
}

_LACKS: dict[str, Callable[[Fleet, Ask, int], str]] = {
    "Named": lambda fleet, ask, _: f"the name {ask.server}",
    "Ready": lambda *_: "a ready agent",
    "Schedulable": lambda *_: "leave to take work (it is cordoned or leaving)",
    "Pool": lambda fleet, ask, _: f"membership of pool {ask.pool}",
    "Namespace": lambda fleet, ask, _: f"a pool open to namespace {ask.namespace}",
    "PoolArchitecture": lambda fleet, _, at: f"a pool that takes {fleet.nodes[at].architecture}",
    "Watermark": lambda *_: "a pool below its watermark",
    "Architecture": lambda fleet, ask, at: f"{' or '.join(ask.architectures)} (it is {fleet.nodes[at].architecture})",
    "Runtime": lambda fleet, ask, _: f"the runtime {ask.runtime}",
    "Features": lambda fleet, ask, at: listed(missing_features(fleet, ask, at), " and "),
    "Selector": _lacks_labels,
    "Taints": lambda fleet, ask, at: f"a toleration of {listed(taints(fleet, ask, at), ' and ')}",
    "Ports": lambda fleet, ask, at: f"a free port {listed(with_holders(fleet, ask, at), ' and ')}",
    "Affinity": _lacks_affinity,
    "AntiAffinity": _lacks_anti_affinity,
    "Spread": _lacks_spread,
    "Quota": _lacks_quota,
}
