"""Placing: identical instances as one batch, each on the server with the highest score at its turn.

Ties go to the first name. Two ways give the same: where a server's score depends on that server alone, all turns are
found at once by sorting; where placing one changes the others' scores or filters, turn by turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from starlink.scheduling import score
from starlink.scheduling.ask import HOSTNAME, Ask
from starlink.scheduling.explaining.explain import Refusal, explain
from starlink.scheduling.filters import Removed, feasible
from starlink.scheduling.fleet import Fleet, Indices, Mask
from starlink.scheduling.rules import Quota, Rule, concerns_itself, rules_of
from starlink.scheduling.score import Scores

_NONE = np.zeros(0, np.intp)
_FEW_LANES = 64
_MANY_LANES = 2**31
_FEW_TURNS = 8


class Placement(NamedTuple):
    """Where one slot goes, and why there."""

    slot: str
    server: str
    reason: str


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the instances go, in order, as indices of servers; `use` is how full each server then is, 0 to 1. `refusal`
    says why there are fewer than asked. `removed` counts, for each filter, the servers that it was the first to remove
    before anything was placed, and `fit` those that were left."""

    servers: Indices
    use: Scores
    fit: int
    removed: Removed
    refusal: Refusal | None = None

    @property
    def choices(self) -> int:
        """How many servers there were to choose from, those included that fitted only once others had been chosen."""
        return max(self.fit, int(np.count_nonzero(np.bincount(self.servers))))


def place(fleet: Fleet, ask: Ask, count: int) -> Placed:
    """Places up to `count` instances and charges them to the fleet, which is in a trial; a gang is placed whole or not
    at all."""
    before = feasible(fleet, ask)
    fit = len(before.servers)
    turns = _turns(fleet, ask, _now_or_later(fleet, ask, before.servers), count)
    if ask.gang and len(turns.servers) < count:
        with fleet.trial():
            fleet.place(turns.servers, ask.load)
            refusal = explain(fleet, ask, count - len(turns.servers))
        return Placed(_NONE, np.zeros(0), fit, before.removed, refusal)
    fleet.place(turns.servers, ask.load)
    refused = explain(fleet, ask, count - len(turns.servers)) if len(turns.servers) < count else None
    return Placed(turns.servers, turns.use, fit, before.removed, refused)


def placements(fleet: Fleet, placed: Placed, slots: Sequence[str]) -> list[Placement]:
    """The placements of the first of the slots, with names and reasons."""
    names, begin = fleet.names, _begin(placed.choices)
    reasons = [f"{begin}{percent} % full" for percent in (placed.use * 100).astype(np.int64).tolist()]
    return list(map(Placement, slots, map(names.__getitem__, placed.servers.tolist()), reasons))


def reason(choices: int, use: float) -> str:
    """Why an instance goes to its server, chosen of so many, which it makes so full."""
    return f"{_begin(choices)}{int(use * 100)} % full"


def _begin(choices: int) -> str:
    return f"best of {choices} that fit, then " if choices > 1 else "the only one that fits, then "


class Scored(NamedTuple):
    """The scores of servers, and how full each would be."""

    scores: Scores
    use: Scores


class Turns(NamedTuple):
    """Servers in the order of their turns, and how full each is after its turn."""

    servers: Indices
    use: Scores


def _now_or_later(fleet: Fleet, ask: Ask, servers: Indices) -> Indices:
    """The servers that may have a turn. Spreading opens what it had closed, once the emptier domains have filled; what
    any other rule closes stays closed."""
    if not any(spread.required for spread in ask.spread):
        return servers
    return feasible(fleet, ask, without="Spread").servers


def _turns(fleet: Fleet, ask: Ask, servers: Indices, count: int) -> Turns:
    if count < 1 or not len(servers):
        return Turns(_NONE, np.zeros(0))
    batch = _Batch(fleet, ask, servers, count)
    rules = []
    for rule in rules_of(fleet, ask, servers):
        if isinstance(rule, Quota) and (limit := rule.limit) is not None:
            count = min(count, limit)
        else:
            rules.append(rule)
    return _one_by_one(batch, rules, count) if rules else _sorted(batch, count)


class _Batch:
    """The servers that may have a turn, before the first one, and their scores for it."""

    def __init__(self, fleet: Fleet, ask: Ask, servers: Indices, count: int) -> None:
        self.fleet, self.ask, self.count = fleet, ask, count
        self._own = fleet.on_servers(ask.load.group).astype(np.float64)
        self._base = score.standing(fleet, ask)
        if (company := score.company(fleet, ask)) is not None:
            self._base = self._base + company
        self.servers = servers
        self.keys = self.turn(servers, 0).scores

    def turn(self, servers: Indices, more: Indices | int) -> Scored:
        """The scores of servers after `more` turns of their own, and how full they then are."""
        filled = score.filled(self.fleet, self.ask, servers, more, self._own[servers])
        return Scored(self._base[servers] + filled.scores, filled.use)

    def places(self, servers: Indices) -> Indices:
        """How many more instances each server has room for, at most `count`."""
        places = np.full(len(servers), self.count, np.intp)
        for key, amount in self.ask.load.requests:
            if amount:
                free = self.fleet.capacity[key][servers] - self.fleet.used[key][servers]
                np.minimum(places, free // amount, out=places)
        alone = any(concerns_itself(self.ask, term) and term.key == HOSTNAME for term in self.ask.anti_affinity)
        return np.minimum(places, 1) if self.ask.load.ports or alone else places


# All turns at once


def _sorted(batch: _Batch, count: int) -> Turns:
    """Merges the servers' sequences of scores. A server's turn comes when its score is the highest of all, and so does
    a later turn of its own that scores higher than an earlier one: its key is the lowest score so far. Only the `count`
    whose first keys are the highest can have a turn."""
    servers = batch.servers[np.sort(_first(batch.keys, count))]
    places = batch.places(servers)
    depth = np.minimum(places, -(-2 * count // max(len(servers), 1)))
    while True:
        at, more = _pairs(depth)
        scores, use = batch.turn(servers[at], more)
        keys = _lowest_so_far(scores, depth)
        chosen = _first(keys, count)
        deeper = _may_go_deeper(depth, places, chosen, count)
        if not deeper.any():
            order = chosen[np.lexsort((chosen, -keys[chosen]))]
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
    """The positions of the `count` highest keys, of equal ones the first."""
    if count >= len(keys):
        return np.arange(len(keys))
    if count == 1:
        return np.array([np.argmax(keys)])
    least = np.partition(keys, len(keys) - count)[len(keys) - count]
    higher = np.flatnonzero(keys > least)
    return np.concatenate((higher, np.flatnonzero(keys == least)[: count - len(higher)]))


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
    scores, use = batch.turn(servers, 0)
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
    """The scores of servers' first few turns, worked out at once, for each call has a cost of its own."""

    def __init__(self, batch: _Batch, servers: Indices, places: Indices) -> None:
        self._batch, self._servers = batch, servers
        self._depth = np.minimum(places, _FEW_TURNS)
        at, more = _pairs(self._depth)
        self._scores, self._use = batch.turn(servers[at], more)
        self._starts = np.cumsum(self._depth) - self._depth

    def turn(self, position: int, more: int) -> tuple[float, float]:
        """The score of a server after `more` turns of its own, and how full it then is."""
        if more < self._depth[position]:
            at = int(self._starts[position]) + more
            return float(self._scores[at]), float(self._use[at])
        scored = self._batch.turn(self._servers[position : position + 1], more)
        return float(scored.scores[0]), float(scored.use[0])


def _candidates(batch: _Batch, rules: Sequence[Rule], count: int) -> Indices:
    """The servers that can have a turn: rules tell lanes of servers apart, not the servers of a lane, so that in each
    only the `count` with the highest first keys matter."""
    servers = batch.servers
    lanes = np.zeros(len(servers), np.int64)
    for rule in rules:
        codes = rule.codes[servers] + 1
        lanes = lanes * (int(codes.max()) + 1) + codes
        if int(lanes.max()) > _MANY_LANES:
            lanes = np.unique(lanes, return_inverse=True)[1]
    different = np.unique(lanes)
    if len(different) > _FEW_LANES:
        return servers
    members = (np.flatnonzero(lanes == lane) for lane in different)
    chosen: Indices = servers[np.sort(np.concatenate([one[_first(batch.keys[one], count)] for one in members]))]
    return chosen
