"""The server that would have to be added for an instance to fit."""

from typing import NamedTuple

import numpy as np

from starlink.api.labels import ARCHITECTURE, OPERATING_SYSTEM
from starlink.api.refusal import listed
from starlink.api.remedy import NewServer, Way, share
from starlink.scheduling import filters
from starlink.scheduling.arrays import Amounts
from starlink.scheduling.ask import HOSTNAME, Ask
from starlink.scheduling.domains import Domains
from starlink.scheduling.explaining.amounts import sized
from starlink.scheduling.explaining.labelling import OF_THE_MACHINE
from starlink.scheduling.explaining.reasons import is_first
from starlink.scheduling.explaining.verdicts import welcome
from starlink.scheduling.explaining.watermark import most_newcomers
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.quotas import quota_left
from starlink.scheduling.rules import concerns_itself

_EVERYWHERE = "Process"
_FEW = 3
_ANY_NUMBER = np.iinfo(np.int64).max


class Where(NamedTuple):
    """A domain of a topology key, "" for a new one, and how many newcomers it could take."""

    domain: str
    room: int


def newcomer(fleet: Fleet, ask: Ask, missing: int) -> Way | None:
    """To add a server with all that it needs, and for how many of the missing one each would help; None where no server
    would, or not all of a gang."""
    domains, architectures = _domains(fleet, ask), _architectures(fleet, ask)
    if ask.server or not _is_possible(fleet, ask) or domains is None or architectures is None:
        return None
    helped = min((_taken(fleet, ask, missing), *(where.room for where in domains.values())))
    if ask.gang and (helped < missing or not _is_simple(ask)):
        return None
    named = {key: where.domain for key, where in domains.items() if key not in (HOSTNAME, *ask.selector)}
    own = [(key, value) for key, value in ask.selector.items() if key not in OF_THE_MACHINE]
    wanted = sorted([*own, *((key, value) for key, value in named.items() if value)])
    server = NewServer(
        architectures=architectures,
        offers=(*(sized(key, amount) for key, amount in ask.load.requests if amount), *_features(ask)),
        runtime="" if ask.runtime == _EVERYWHERE else ask.runtime,
        host=ask.selector.get(HOSTNAME, ""),
        labels=tuple(f"{key}={value}" for key, value in wanted),
        of_its_own=tuple(key for key, value in named.items() if not value),
        pool=ask.pool,
        each=helped > 1,
        helps=share(helped, missing),
    )
    return Way((server,))


def _is_possible(fleet: Fleet, ask: Ask) -> bool:
    """Whether the asked pool takes anything, and an agent runs on what is asked for."""
    return all(welcome(fleet, ask)) and ask.selector.get(OPERATING_SYSTEM, "linux") == "linux"


def _is_simple(ask: Ask) -> bool:
    """Whether a gang that is placed anew would go on where it has found room: it is not spread, nor near itself."""
    apart = [term for term in ask.anti_affinity if concerns_itself(ask, term)]
    together = any(concerns_itself(ask, term) for term in ask.affinity)
    return len(apart) < 2 and not together and not any(spread.required for spread in ask.spread)


def _taken(fleet: Fleet, ask: Ask, missing: int) -> int:
    """How many the asked pool takes; a server in no pool needs no quota."""
    if ask.pool not in fleet.pools:
        return missing
    quota = int(quota_left(fleet, ask)[fleet.pool_names.index(ask.pool)])
    return min(missing, quota, most_newcomers(fleet, ask, missing))


def _features(ask: Ask) -> list[str]:
    wanted = sorted(ask.features)
    return wanted if len(wanted) <= _FEW else [listed(wanted)]


def _architectures(fleet: Fleet, ask: Ask) -> tuple[str, ...] | None:
    """Those that would do, () for any; None where the pool takes none of those asked for."""
    pool = fleet.pools.get(ask.pool)
    labelled = (ask.selector[ARCHITECTURE],) if ARCHITECTURE in ask.selector else ()
    allowed = [names for names in (ask.architectures, pool.architectures if pool else (), labelled) if names]
    if not allowed:
        return ()
    return tuple(name for name in allowed[0] if all(name in names for names in allowed)) or None


def _domains(fleet: Fleet, ask: Ask) -> dict[str, Where] | None:
    """In which domain of each topology key it would have to be; None where it can't be in any."""
    found = {}
    for key in keys_of(fleet, ask):
        where = domain_for(fleet, ask, key)
        if where is None:
            return None
        found[key] = where
    return found


def keys_of(fleet: Fleet, ask: Ask) -> list[str]:
    """The topology keys whose domains matter."""
    musts = (term.key for term in (*ask.affinity, *ask.anti_affinity) if term.weight is None)
    spread = (spread.key for spread in ask.spread if spread.required)
    return sorted({*musts, *spread, *fleet.repelled.get(ask.load.group, {})})


def domain_for(fleet: Fleet, ask: Ask, key: str) -> Where | None:
    """In which domain of a topology key a server that has no other would have to be; None where it can't be in any."""
    near_to = [term for term in ask.affinity if term.weight is None and term.key == key]
    new = all(is_first(fleet, ask, term) for term in near_to)
    of_its_own = Where("", 1 if near_to else _ANY_NUMBER) if new else None
    if key == HOSTNAME:
        return of_its_own
    domains = fleet.domains(key)
    rooms = _rooms(fleet, ask, key, domains)
    if key in ask.selector:
        code = domains.names.index(ask.selector[key]) if ask.selector[key] in domains.names else -1
        if code < 0:
            return of_its_own and Where(ask.selector[key], 1)
        return Where(domains.names[code], int(rooms[code])) if rooms[code] > 0 else None
    best = int(np.argmax(rooms)) if len(rooms) else -1
    if best >= 0 and rooms[best] > 0:
        return Where(domains.names[best], int(rooms[best]))
    return of_its_own


def is_shunned(fleet: Fleet, ask: Ask, key: str, server: int | None = None) -> bool:
    """Whether a server, or any, has what would keep the ask away from a domain that it joined, or what it spreads."""
    shunned = (ask.load.group, *(group for term in ask.anti_affinity if term.key == key for group in term.groups))
    holders = (fleet.repelled.get(ask.load.group, {}).get(key, {}), *(fleet.groups.get(one, {}) for one in shunned))
    return any(held if server is None else server in held for held in holders)


def _rooms(fleet: Fleet, ask: Ask, key: str, domains: Domains) -> Amounts:
    """How many newcomers' instances each domain of a key could take, were there such servers."""
    rooms = np.full(len(domains.names), _ANY_NUMBER, np.int64)
    for term in ask.affinity:
        if term.weight is None and term.key == key:
            rooms[~filters.near(fleet, ask, term)] = 0
    for term in ask.anti_affinity:
        if term.weight is None and term.key == key:
            rooms[fleet.counts(term.groups, key) > 0] = 0
            if concerns_itself(ask, term):
                np.minimum(rooms, 1, out=rooms)
    for other, holders in fleet.repelling(ask.load.group):
        if other == key:
            rooms[holders > 0] = 0
    for spread in ask.spread:
        if spread.required and spread.key == key:
            np.minimum(rooms, _even_room(fleet, ask, domains, key, spread.max_skew), out=rooms)
    return rooms


def _even_room(fleet: Fleet, ask: Ask, domains: Domains, key: str, max_skew: int) -> Amounts:
    """How many each domain could take until it is too far ahead of the emptiest of the others."""
    counts, among = fleet.counts((ask.load.group,), key), filters.eligible(fleet, ask, key)
    if not among.any():
        return np.full(len(counts), _ANY_NUMBER)
    two = np.sort(counts[among])[:2]
    beside_the_emptiest = int(two[1]) if len(two) > 1 else _ANY_NUMBER - max_skew
    alone_lowest = among & (counts == two[0]) & (np.count_nonzero(counts[among] == two[0]) == 1)
    lowest = np.where(alone_lowest, beside_the_emptiest, two[0])
    return np.maximum(0, lowest + max_skew - counts)
