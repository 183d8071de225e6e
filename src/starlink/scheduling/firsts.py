"""What the first two instances of an ask would make of every server: kept from ask to ask, as most request the same."""

from typing import NamedTuple

import numpy as np

from starlink.scheduling import score
from starlink.scheduling.arrays import At, Scores
from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.needs import Ranks
from starlink.scheduling.score import Filled
from starlink.scheduling.weighing import policy

_TURNS = np.array([[0], [1]])


class _Firsts(NamedTuple):
    """By server, the number of the first resource that it lacks (`Needs.lacking`), and in two rows what each of two
    instances comes to where there are none of the group (`score.filled`)."""

    lacking: Ranks
    scores: Scores
    use: Scores


def lacking(fleet: Fleet, ask: Ask) -> Ranks:
    """What each server lacks: not to be written to, and good until the next charge."""
    return _kept(fleet, ask).lacking


def filled(fleet: Fleet, ask: Ask) -> Filled:
    """What `score.filled` gives each server for its first turn and for its second, as two rows: not to be written to,
    and good until the next charge."""
    _, scores, use = _kept(fleet, ask)
    if holders := fleet.groups.get(ask.load.group):
        servers = np.fromiter(holders, np.intp, len(holders))
        own = np.fromiter(holders.values(), np.float64, len(holders))
        scores = scores.copy()
        scores[:, servers] = score.filled(fleet, ask, servers, _TURNS, own).scores
    return Filled(scores, use)


def _kept(fleet: Fleet, ask: Ask) -> _Firsts:
    key = ask.load.requests, policy(fleet, ask).key
    return fleet.upkeep.kept(key, lambda at: _worked_out(fleet, ask, at))


def _worked_out(fleet: Fleet, ask: Ask, at: At) -> _Firsts:
    short = fleet.needs(ask.load.requests).lacking(fleet.capacities, fleet.uses, at)
    return _Firsts(short, *score.filled(fleet, ask, at, _TURNS, 0.0))
