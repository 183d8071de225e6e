"""What a server is short of for one more instance, and how much of it each instance that goes gives back."""

from collections.abc import Callable, Iterator
from functools import reduce
from typing import NamedTuple

import numpy as np

from starlink.scheduling import filters
from starlink.scheduling.arrays import Amounts, Mask
from starlink.scheduling.ask import Ask, Load, Spread, Term
from starlink.scheduling.domains import Domains
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.pool import UNLIMITED


class Lack(NamedTuple):
    """`missing` is by server, and nothing is missing where it is not positive. `gives` is what an instance gives back;
    the second argument says whether it is counted. `lasts` is false where placing an instance elsewhere may mend it."""

    missing: Amounts
    gives: Callable[[Load, bool], int]
    lasts: bool = True


def lacks(fleet: Fleet, ask: Ask) -> list[Lack]:
    """All that instances of a server's own can give back; quotas are not among it."""
    found = [_resource(fleet, key, amount) for key, amount in ask.load.requests if amount]
    found += [_port(fleet, port) for port in sorted(ask.load.ports)]
    found += [_unwanted(fleet, term) for term in ask.anti_affinity if term.weight is None]
    found += _unwelcoming(fleet, ask.load)
    found += [_uneven(fleet, ask, spread) for spread in ask.spread if spread.required]
    return found


def beyond_mending(fleet: Fleet, ask: Ask) -> Mask:
    """The servers that nobody's going would keep from fitting: all filters that look at no instance but those that the
    ask requires to be near."""
    names = {*(kind.name for kind in filters.BY_KIND), "Affinity"}
    kept = (mask for name, mask in filters.every(fleet, ask) if name in names)
    return reduce(np.logical_and, kept, np.ones(len(fleet), np.bool_))


def _resource(fleet: Fleet, key: str, amount: int) -> Lack:
    def gives(load: Load, counted: bool) -> int:
        return next((given for name, given in load.requests if name == key), 0) if key in fleet.capacity else 0

    return Lack(amount - fleet.free(key), gives)


def _port(fleet: Fleet, port: int) -> Lack:
    missing = np.zeros(len(fleet), np.int64)
    for index, number in fleet.ports.get(port, {}).items():
        missing[index] = number
    return Lack(missing, lambda load, counted: int(port in load.ports))


def _unwanted(fleet: Fleet, term: Term) -> Lack:
    missing = _of_servers(fleet.domains(term.key), fleet.counts(term.groups, term.key))
    return Lack(missing, lambda load, counted: int(counted and load.group in term.groups))


def _unwelcoming(fleet: Fleet, load: Load) -> list[Lack]:
    """Also of the keys by which only the group itself will keep the group away: each lack keeps its place in the list
    while instances are placed."""
    holders = dict(fleet.repelling(load.group))
    own = {term.key for term in load.repels if load.group in term.groups}
    none = np.zeros(0, np.int64)
    return [_repelling(fleet, load.group, key, holders.get(key, none)) for key in sorted({*holders, *own})]


def _repelling(fleet: Fleet, group: str, key: str, holders: Amounts) -> Lack:
    def gives(load: Load, counted: bool) -> int:
        return sum(term.key == key and group in term.groups for term in load.repels) if counted else 0

    missing = _of_servers(fleet.domains(key), holders) if len(holders) else np.zeros(len(fleet), np.int64)
    return Lack(missing, gives)


def _uneven(fleet: Fleet, ask: Ask, spread: Spread) -> Lack:
    """How many of the group a domain has too many."""
    domains, group = fleet.domains(spread.key), ask.load.group
    counts, among = fleet.counts((group,), spread.key), filters.eligible(fleet, ask, spread.key)
    lowest = counts[among].min() if among.any() else 0
    over = np.where(among, counts + 1 - lowest - spread.max_skew, UNLIMITED)
    missing = np.append(over, UNLIMITED)[domains.codes]
    return Lack(missing, lambda load, counted: int(counted and load.group == group), lasts=False)


def _of_servers(domains: Domains, numbers: Amounts) -> Amounts:
    """The numbers of the servers' domains, 0 for a server in none."""
    found: Amounts = np.append(numbers, 0)[domains.codes]
    return found


def needed_groups(ask: Ask) -> frozenset[str]:
    """Whom the ask requires to be near."""
    return frozenset(_needed(ask))


def _needed(ask: Ask) -> Iterator[str]:
    for term in ask.affinity:
        if term.weight is None:
            yield from term.groups
