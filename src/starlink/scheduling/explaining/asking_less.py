"""How much could be asked for instances to fit."""

from typing import NamedTuple

import numpy as np

from starlink.api.remedy import Way, way
from starlink.scheduling.arrays import Amounts, Indices
from starlink.scheduling.ask import HOSTNAME, Ask
from starlink.scheduling.explaining.amounts import quantity
from starlink.scheduling.explaining.move import left_with, quota_left_with
from starlink.scheduling.explaining.reasons import shortfall
from starlink.scheduling.explaining.shortage import Claims
from starlink.scheduling.explaining.verdicts import Verdicts, capacity_of, resource_of
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.quotas import instances_left, quota_left
from starlink.scheduling.rules import concerns_itself
from starlink.scheduling.watermarks import watermarks_left

NO_MATES: Indices = np.zeros(0, np.intp)


class Case(NamedTuple):
    """A server that does not fit, and how many instances are missing. `mates` are the servers of those of the same gang
    that have found one, which are charged to the fleet; `claims` is what others would give back, where they would."""

    verdicts: Verdicts
    server: int
    missing: int
    mates: Indices
    claims: Claims | None = None

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

    def mates_on(self, servers: Indices) -> Amounts:
        """How many of the gang each of the servers has."""
        counts: Amounts = np.bincount(self.mates, minlength=len(self.fleet))[servers]
        return counts


def fitting(case: Case, name: str) -> tuple[int, int]:
    """The most of a filter's resource that instances could ask for, and how many would then fit. All that are missing
    fit where they can keep half of what they ask for; else one instance does, and of a gang none."""
    resource = resource_of(case.ask, name)
    asked, free = dict(case.ask.load.requests)[resource], case.fleet.free(resource)
    servers = case.verdicts.only(name)
    if (case.missing > 1 or case.ask.gang) and len(servers) and _is_unlimited(case, servers):
        mates = case.mates_on(servers)
        places = places_on(case, servers, but=resource)
        amount = _largest(free[servers] + mates * asked, places, case.missing + int(mates.sum()), asked)
        if amount * 2 >= asked:
            return amount, case.missing
    return (0 if case.ask.gang else max(0, int(free[case.server]))), 1


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


def places_on(case: Case, servers: Indices, but: str = "") -> Amounts:
    """How many each server has room for, but for one resource: of the missing, and of the gang what it has of it."""
    mates = case.mates_on(servers)
    alone = case.ask.load.ports or any(concerns_itself(case.ask, term) for term in case.ask.anti_affinity)
    places = np.full(len(servers), 1, np.int64) if alone else case.missing + mates
    for key, amount in case.ask.load.requests:
        if amount and key != but:
            free = np.maximum(0, case.fleet.free(key)[servers] + mates * amount)
            np.minimum(places, free // amount, out=places)
    return places


def make_room(case: Case, resource: str) -> Way:
    """What to free, or to offer, on the server. What the gang itself would take there can't be freed for it."""
    asked, short = dict(case.ask.load.requests)[resource], shortfall(case.fleet, case.ask, resource, case.server)
    if not short:
        return way("WaitForServer", case.name)
    mates = asked * int(case.mates_on(np.array([case.server]))[0])
    could = int(capacity_of(case.fleet, resource)[case.server]) - mates >= asked
    return way("Free" if could else "Offer", case.name, resource, quantity(resource, short, up=True))


def room_but_for(case: Case, name: str) -> int:
    """How many have room on the servers of the pool that only its quota closes, or only its watermark; as the other
    of the two allows."""
    servers, codes = case.verdicts.only(name), case.fleet.pool_codes
    servers = servers[codes[servers] == codes[case.server]]
    room = int((places_on(case, servers) - case.mates_on(servers)).sum())
    left = watermarks_left(case.fleet, case.ask) if name == "Quota" else quota_left(case.fleet, case.ask)
    return room if left is None else min(room, int(left[codes[case.server]]))


def taken_by_pool(case: Case) -> int:
    """How many more instances the pool takes in which the server would be, with the server in it."""
    code = case.fleet.pool_names.index(case.pool)
    if case.fleet.pool_codes[case.server] == code:
        return int(instances_left(case.fleet, case.ask)[code])
    left = np.minimum(quota_left_with(case.fleet, case.ask), left_with(case.fleet, case.ask))
    return int(left[case.server])


def _is_unlimited(case: Case, servers: Indices) -> bool:
    """Whether servers are filled each for itself, in pools that take all that are missing."""
    left = instances_left(case.fleet, case.ask)[case.fleet.pool_codes[servers]]
    return is_independent(case.ask) and bool((left >= case.missing).all())


def is_independent(ask: Ask) -> bool:
    """Whether placing one instance leaves the other servers as they are."""
    apart = any(concerns_itself(ask, term) and term.key != HOSTNAME for term in ask.anti_affinity)
    together = any(concerns_itself(ask, term) for term in ask.affinity)
    return not (apart or together or any(spread.required for spread in ask.spread))
