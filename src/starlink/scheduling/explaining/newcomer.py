"""The server that would have to be added for an instance to fit."""

from collections.abc import Iterator

import numpy as np

from starlink.scheduling.ask import HOSTNAME, Ask
from starlink.scheduling.explaining.amounts import sized
from starlink.scheduling.explaining.reasons import is_first, labels
from starlink.scheduling.explaining.verdicts import skews, welcome
from starlink.scheduling.filters import near
from starlink.scheduling.fleet import Fleet

_EVERYWHERE = "Process"


def newcomer(fleet: Fleet, ask: Ask, missing: int) -> str:
    """`add one server …` with all that it needs, or "" where no server would help."""
    domains = _domains(fleet, ask)
    architectures = _architectures(fleet, ask)
    if ask.server or not all(welcome(fleet, ask)) or domains is None or architectures is None:
        return ""
    parts = ("add one server", *_parts(fleet, ask, missing, architectures, domains))
    return " ".join(part for part in parts if part)


def _parts(
    fleet: Fleet, ask: Ask, missing: int, architectures: tuple[str, ...], domains: dict[str, str]
) -> Iterator[str]:
    if architectures:
        yield f"of {' or '.join(architectures)}"
    if needs := [sized(key, amount) for key, amount in ask.load.requests if amount] + sorted(ask.features):
        yield f"with {', '.join(needs[:-1])}{' and ' if needs[1:] else ''}{needs[-1]}"
    if ask.runtime not in ("", _EVERYWHERE):
        yield f"that runs {ask.runtime}"
    if wanted := [*ask.selector.items(), *((key, value) for key, value in domains.items() if value)]:
        yield f"labelled {labels(wanted)}"
    if new := [key for key, value in domains.items() if not value]:
        yield f"in a {' and '.join(new)} of its own"
    if ask.pool in fleet.pools:
        yield f"in pool {ask.pool}"
    if missing > 1:
        yield "per instance"


def _architectures(fleet: Fleet, ask: Ask) -> tuple[str, ...] | None:
    """Those that would do, () for any; None where the pool takes none of those asked for."""
    pool = fleet.pools.get(ask.pool)
    taken = pool.architectures if pool else ()
    if not taken or not ask.architectures:
        return taken or ask.architectures
    return tuple(name for name in ask.architectures if name in taken) or None


def _domains(fleet: Fleet, ask: Ask) -> dict[str, str] | None:
    """In which domain of each topology key it would have to be, "" for a new one; None where it can't be in any."""
    found = {}
    for key in _keys(fleet, ask):
        domain = _domain(fleet, ask, key)
        if domain is None:
            return None
        if key not in (HOSTNAME, *ask.selector):
            found[key] = domain
    return found


def _keys(fleet: Fleet, ask: Ask) -> list[str]:
    musts = (term.key for term in (*ask.affinity, *ask.anti_affinity) if term.weight is None)
    spread = (spread.key for spread in ask.spread if spread.required)
    return sorted({*musts, *spread, *fleet.repelled.get(ask.load.group, {})})


def _domain(fleet: Fleet, ask: Ask, key: str) -> str | None:
    near_to = [term for term in ask.affinity if term.weight is None and term.key == key]
    new = all(is_first(fleet, ask, term) for term in near_to)
    if key == HOSTNAME:
        return "" if new else None
    allowed = np.ones(len(fleet.domains(key).names), np.bool_)
    for term in near_to:
        allowed &= near(fleet, ask, term)
    for term in ask.anti_affinity:
        if term.weight is None and term.key == key:
            allowed &= fleet.counts(term.groups, key) == 0
    for other, holders in fleet.repelling(ask.load.group):
        allowed &= holders == 0 if other == key else True
    for spread in ask.spread:
        if spread.required and spread.key == key:
            allowed &= skews(fleet, ask, spread).skews <= spread.max_skew
    return fleet.domains(key).names[int(np.argmax(allowed))] if allowed.any() else ("" if new else None)
