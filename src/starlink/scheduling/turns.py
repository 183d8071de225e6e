"""Whose turn it is: the servers on which identical instances go, each the one with the highest score at its turn.

What is to be found is defined by the slow way: give the server with the highest score a turn, the first name of those
with equal scores, charge it, score all servers anew, and so on. Three ways find the same, each where it may be used.

*Turn by turn* (`_one_by_one`) is the definition. It is used where a turn on one server changes the score of another, or
whether the other may have a turn: spreading, affinity, quotas.

*Sorted* (`_sorted`) is right where a server's score depends on its own turns alone. Then each server has a sequence of
scores, one for each turn of its own, known from the beginning, and the slow way merges those sequences: it takes the
highest head again and again. A merge of falling sequences is a sort. A sequence may rise, though: a packing server
scores higher the fuller it is. But once its head was the highest of all, a higher score behind it is the highest of all
as well, so it follows at once. Taking each score as no higher than those before it (`_lowest_so_far`) therefore changes
no turn and makes every sequence fall. The sort is stable and the servers are in the order of their names, which settles
ties as defined. How deep each sequence must be looked into is not known before: where a server's last score that was
looked at is among the chosen, its next one might be too, so it is looked into deeper and all is sorted again.

*Once each* (`_once_each`) is the same sort, cut short: where the highest second score of the servers chosen is below
the lowest first score chosen, nobody has a second turn.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from starlink.scheduling import firsts, score
from starlink.scheduling.arrays import Indices, Mask, Scores, distinct
from starlink.scheduling.ask import HOSTNAME, Ask
from starlink.scheduling.filters import Feasible
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.rules import Limit, Rule, concerns_itself, rules_of

_NONE = np.zeros(0, np.intp)
_FEW_LANES = 64
_MANY_LANES = 2**16
_MANY_TURNS = 32


class Scored(NamedTuple):
    """The scores of servers, and how full each would be."""

    scores: Scores
    use: Scores


class Turns(NamedTuple):
    """Servers in the order of their turns, and how full each is after its turn."""

    servers: Indices
    use: Scores


def turns(fleet: Fleet, ask: Ask, found: Feasible, count: int) -> Turns:
    """The turns of up to `count` instances on the servers that may have one now or later."""
    if count < 1 or not len(found.later):
        return Turns(_NONE, np.zeros(0))
    batch = _Batch(fleet, ask, found.later, count)
    rules = []
    for rule in rules_of(fleet, ask, found):
        if isinstance(rule, Limit) and (limit := rule.limit) is not None:
            count = min(count, limit)
        else:
            rules.append(rule)
    if rules:
        return _one_by_one(batch, rules, count)
    return _once_each(batch, count) or _sorted(batch, count)


class _Batch:
    """The servers that may have a turn, before the first one, and their scores for it."""

    def __init__(self, fleet: Fleet, ask: Ask, servers: Indices, count: int) -> None:
        self.fleet, self.ask, self.count = fleet, ask, count
        self._own = fleet.on_servers(ask.load.group).astype(np.float64) if ask.load.group in fleet.groups else None
        self._standing, self._companies = score.standing(fleet, ask), score.companies(fleet, ask)
        self._firsts = firsts.filled(fleet, ask)
        self.servers = servers
        self.keys: Scores = self._base(servers) + self._firsts.scores[0][servers]

    def _base(self, servers: Indices) -> Scores:
        """What no turn changes."""
        standing: Scores = self._standing[servers]
        return standing + score.together(self._companies, servers) if self._companies else standing

    def two_turns(self, servers: Indices) -> Scored:
        """The scores of servers for their first turn and for their second, and how full they then are, as two rows."""
        scores, use = (array.take(servers, axis=1) for array in self._firsts)
        return Scored(self._base(servers) + scores, use)

    def turn(self, servers: Indices, more: Indices | int) -> Scored:
        """The scores of servers after `more` turns of their own, and how full they then are."""
        own = 0.0 if self._own is None else self._own[servers]
        filled = score.filled(self.fleet, self.ask, servers, more, own)
        return Scored(self._base(servers) + filled.scores, filled.use)

    def places(self, servers: Indices) -> Indices:
        """How many more instances each server has room for, at most `count`."""
        needs = self.fleet.needs(self.ask.load.requests)
        free = self.fleet.capacities.take(servers, axis=0) - self.fleet.uses.take(servers, axis=0)
        fit = free[:, needs.asked] // needs.amounts[needs.asked]
        places: Indices = fit.min(axis=1, initial=self.count)
        alone = any(concerns_itself(self.ask, term) and term.key == HOSTNAME for term in self.ask.anti_affinity)
        return np.minimum(places, 1) if self.ask.load.ports or alone else places


# All turns at once


def _once_each(batch: _Batch, count: int) -> Turns | None:
    """One turn for each of the `count` whose first keys are the highest; None if a second turn could come before one of
    these, or there are too few."""
    if not 0 < count <= len(batch.keys):
        return None
    best = _first(batch.keys, count)
    servers, keys = batch.servers[best], batch.keys[best]
    scores, use = batch.two_turns(servers)
    if scores[1].max() >= keys.min():
        return None
    order = (-keys).argsort(kind="stable")
    return Turns(servers[order], use[0][order])


def _sorted(batch: _Batch, count: int) -> Turns:
    """Merges the servers' sequences of scores. A server's turn comes when its score is the highest of all, and so does
    a later turn of its own that scores higher than an earlier one: its key is the lowest score so far. Only the `count`
    whose first keys are the highest can have a turn."""
    servers = batch.servers[_first(batch.keys, count)]
    places = batch.places(servers)
    depth = np.minimum(places, -(-2 * count // max(len(servers), 1)))
    while True:
        at, more = _pairs(depth)
        scores, use = batch.turn(servers[at], more)
        keys = _lowest_so_far(scores, depth)
        chosen = _first(keys, count)
        deeper = _may_go_deeper(depth, places, chosen, count)
        if not deeper.any():
            order = chosen[(-keys[chosen]).argsort(kind="stable")]
            return Turns(servers[at[order]], use[order])
        depth = np.where(deeper, np.minimum(places, np.maximum(depth * 4, 16)), depth)


def _pairs(depth: Indices) -> tuple[Indices, Indices]:
    """Each server's number as often as it is deep, and beside it 0, 1, 2…"""
    at = np.repeat(np.arange(len(depth)), depth)
    starts = np.repeat(np.cumsum(depth) - depth, depth)
    return at, np.arange(len(at)) - starts


def _lowest_so_far(scores: Scores, depth: Indices) -> Scores:
    """The running minimum within each server's part."""
    deepest = int(depth.max(initial=0))
    if deepest <= 1:
        return scores
    rows = depth > 0
    table = np.full((int(rows.sum()), deepest), np.inf)
    filled = np.arange(deepest) < depth[rows][:, None]
    table[filled] = scores
    lowest: Scores = np.minimum.accumulate(table, axis=1)[filled]
    return lowest


def _first(keys: Scores, count: int) -> Indices:
    """The positions of the `count` highest keys, of equal ones the first, in rising order."""
    if count >= len(keys):
        return np.arange(len(keys))
    best: Indices = np.flatnonzero(keys == keys[keys.argmax()])
    if len(best) >= count:
        return best[:count]
    least = np.partition(keys, len(keys) - count)[len(keys) - count]
    (higher,), (equal,) = (keys > least).nonzero(), (keys == least).nonzero()
    chosen = np.concatenate((higher, equal[: count - len(higher)]))
    chosen.sort(kind="stable")
    return chosen


def _may_go_deeper(depth: Indices, places: Indices, chosen: Indices, count: int) -> Mask:
    """The servers that have more places, and whose next key could be among the chosen: those that were chosen as deep
    as was looked, or any while there are too few."""
    shallow = (depth < places) & (depth > 0)
    if len(chosen) < count or not shallow.any():
        return shallow
    taken = np.zeros(int(depth.sum()), np.bool_)
    taken[chosen] = True
    mask: Mask = shallow & taken[np.cumsum(depth) - 1]
    return mask


# Turn by turn


def _one_by_one(batch: _Batch, rules: Sequence[Rule], count: int) -> Turns:
    servers = _candidates(batch, rules, count)
    places, taken = batch.places(servers), np.zeros(len(servers), np.intp)
    ahead = _Ahead(batch, servers, places)
    scores, use = ahead.first()
    for rule in rules:
        rule.look_at(servers)
    chosen: list[int] = []
    uses: list[float] = []
    while len(chosen) < count:
        current = scores
        for rule in rules:
            current = rule.judge(current)
        best = int(current.argmax())
        if current[best] == -np.inf:
            break
        chosen.append(best)
        uses.append(float(use[best]))
        taken[best] += 1
        for rule in rules:
            rule.took(best)
        if taken[best] < places[best]:
            scores[best], use[best] = ahead.turn(best, int(taken[best]))
        else:
            scores[best] = -np.inf
    return Turns(servers[np.array(chosen, np.intp)], np.array(uses))


class _Ahead:
    """The scores of servers' turns, worked out for some in advance, for each call has a cost of its own: at first two
    of all servers, and then many of a server whose own are used up."""

    def __init__(self, batch: _Batch, servers: Indices, places: Indices) -> None:
        self._batch, self._servers, self._places = batch, servers, places
        self._scores, self._use = batch.two_turns(servers)
        self._later: dict[int, tuple[int, Scored]] = {}

    def first(self) -> Scored:
        """The first turn of each server."""
        return Scored(self._scores[0].copy(), self._use[0].copy())

    def turn(self, position: int, more: int) -> tuple[float, float]:
        """The score of a server after `more` turns of its own, and how full it then is."""
        if more < len(self._scores):
            return float(self._scores[more, position]), float(self._use[more, position])
        begin, scored = self._later.get(position) or self._look(position, more)
        if more - begin >= len(scored.scores):
            begin, scored = self._look(position, more)
        return float(scored.scores[more - begin]), float(scored.use[more - begin])

    def _look(self, position: int, more: int) -> tuple[int, Scored]:
        numbers = np.arange(more, min(more + _MANY_TURNS, int(self._places[position])))
        servers = np.full(len(numbers), self._servers[position])
        found = self._later[position] = more, self._batch.turn(servers, numbers)
        return found


def _candidates(batch: _Batch, rules: Sequence[Rule], count: int) -> Indices:
    """The servers that can have a turn: rules tell lanes of servers apart, not the servers of a lane, so that in each
    only the `count` with the highest first keys matter."""
    servers = batch.servers
    lanes = np.zeros(len(servers), np.int64)
    for rule in rules:
        codes = rule.lanes[servers] + 1
        lanes = lanes * (int(codes.max()) + 1) + codes
        if int(lanes.max()) > _MANY_LANES:
            lanes = np.unique(lanes, return_inverse=True)[1]
    different = distinct(lanes)
    if len(different) > _FEW_LANES:
        return servers
    members = (np.flatnonzero(lanes == lane) for lane in different)
    chosen: Indices = servers[np.sort(np.concatenate([one[_first(batch.keys[one], count)] for one in members]))]
    return chosen
