"""What victims on a server cannot be below, for all servers at once."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from starlink.scheduling.arrays import Amounts, Indices, Mask
from starlink.scheduling.preemption.lacks import Lack
from starlink.scheduling.preemption.leavers import Leavers, Party

NOBODY = -(2**31) - 1
"""Below every priority: the highest of no victims."""
_HOPELESS = 2**31


class Least(NamedTuple):
    """For each server, what no choice of victims can be below: their highest priority, their number, and the sum of
    their priorities. `possible`: the servers where there may be a choice."""

    possible: Indices
    highest: Amounts
    number: Amounts
    total: Amounts


def least(size: int, lacks: Sequence[Lack], leavers: Leavers) -> Least:
    """Bounds for all servers at once, as if budgets had no end and each lack were alone."""
    lasting = [number for number, lack in enumerate(lacks) if lack.lasts]
    missing = {
        one: lacks[one].missing - _sums(size, leavers.going.servers, leavers.going.given(one)) for one in lasting
    }
    highest = _highest(size, missing, leavers.possible)
    number = np.zeros(size, np.int64)
    for one, left in missing.items():
        np.maximum(number, _fewest(left, leavers.possible, one, highest), out=number)
    lowest = np.full(size, _HOPELESS, np.int64)
    first = leavers.possible.servers
    np.minimum.at(lowest, first, leavers.possible.priorities)
    total = np.where(number > 0, highest + (number - 1) * lowest, 0)
    return Least(np.flatnonzero(highest < _HOPELESS), highest, number, total)


def _sums(size: int, servers: Indices, amounts: Amounts) -> Amounts:
    found = np.zeros(size, np.int64)
    np.add.at(found, servers, amounts)
    return found


def _highest(size: int, missing: Mapping[int, Amounts], party: Party) -> Amounts:
    """The lowest priority up to which all must go for a server to fit."""
    left = {one: amounts.copy() for one, amounts in missing.items()}
    found = np.where(_are_met(size, left), NOBODY, _HOPELESS)
    by_priority = np.argsort(party.priorities, kind="stable")
    levels, starts = np.unique(party.priorities[by_priority], return_index=True)
    for level, members in zip(levels.tolist(), np.split(by_priority, starts[1:]), strict=False):
        for one, amounts in left.items():
            amounts -= _sums(size, party.servers[members], party.given(one)[members])
        found[(found == _HOPELESS) & _are_met(size, left)] = level
    return found


def _are_met(size: int, left: Mapping[int, Amounts]) -> Mask:
    met = np.ones(size, np.bool_)
    for amounts in left.values():
        met &= amounts <= 0
    return met


def _fewest(missing: Amounts, party: Party, lack: int, highest: Amounts) -> Amounts:
    """How many must go if those who give most go first."""
    open_ = np.flatnonzero((party.priorities <= highest[party.servers]) & (missing[party.servers] > 0))
    gifts = party.gifts(lack)
    most_first = np.argsort(-gifts, kind="stable")
    places = np.empty_like(most_first)
    places[most_first] = np.arange(len(gifts))
    ordered = np.sort(party.servers[open_] * len(gifts) + places[party.kinds[open_]])
    servers, amounts = ordered // max(len(gifts), 1), gifts[most_first[ordered % max(len(gifts), 1)]]
    before = np.cumsum(amounts) - amounts
    needed = before - before[np.searchsorted(servers, servers)] < missing[servers]
    return np.bincount(servers[needed], minlength=len(missing)).astype(np.int64)
