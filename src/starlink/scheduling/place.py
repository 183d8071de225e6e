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
from starlink.scheduling.explain import Refusal, explain
from starlink.scheduling.filters import Removed, feasible, otherwise
from starlink.scheduling.fleet import Fleet, Indices, Mask
from starlink.scheduling.rules import Quota, Rule, concerns_itself, rules_of
from starlink.scheduling.score import Scores

_NONE = np.zeros(0, np.intp)
_FEW_LANES = 64


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
    fit = int(np.count_nonzero(before.mask))
    turns = _turns(fleet, ask, _now_or_later(fleet, ask, before.mask), count)
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


def _now_or_later(fleet: Fleet, ask: Ask, mask: Mask) -> Mask:
    """The servers that may have a turn. Spreading opens what it had closed, once the emptier domains have filled; what
    any other rule closes stays closed."""
    return otherwise(fleet, ask, "Spread") if any(spread.required for spread in ask.spread) else mask


def _turns(fleet: Fleet, ask: Ask, mask: Mask, count: int) -> Turns:
    if count < 1 or not mask.any():
        return Turns(_NONE, np.zeros(0))
    batch = _Batch(fleet, ask, mask, count)
    rules = list(rules_of(fleet, ask, mask))
    if not rules:
        return _sorted(batch, _first(batch.keys, count), count)
    if len(rules) == 1 and isinstance(rules[0], Quota) and (limit := rules[0].limit) is not None:
        count = min(count, limit)
        return _sorted(batch, _first(batch.keys, count), count)
    return _one_by_one(batch, rules, count)


class _Batch:
    """The servers before the first turn. `keys` are their scores for it, -inf for those that are not feasible."""

    def __init__(self, fleet: Fleet, ask: Ask, mask: Mask, count: int) -> None:
        self.fleet, self.ask, self.count = fleet, ask, count
        self._own = fleet.on_servers(ask.load.group).astype(np.float64)
        self._base = score.standing(fleet, ask)
        if (company := score.company(fleet, ask)) is not None:
            self._base = self._base + company
        first = score.filled(fleet, ask, slice(None), 0, self._own)
        self.keys = np.where(mask, self._base + first.scores, -np.inf)

    def turn(self, servers: Indices, more: Indices) -> Scored:
        """The scores of servers after `more` turns of their own, and how full they then are."""
        filled = score.filled(self.fleet, self.ask, servers, more, self._own[servers])
        return Scored(self._base[servers] + filled.scores, filled.use)

    def places(self, servers: Indices) -> Indices:
        """How many more instances each server has room for, at most `count`."""
        places = np.full(len(servers), self.count, np.intp)
        for key, amount in self.ask.load.requests:
            if amount:
                np.minimum(places, (self.fleet.capacity[key] - self.fleet.used[key])[servers] // amount, out=places)
        alone = any(concerns_itself(self.ask, term) and term.key == HOSTNAME for term in self.ask.anti_affinity)
        return np.minimum(places, 1) if self.ask.load.ports or alone else places


# All turns at once


def _sorted(batch: _Batch, servers: Indices, count: int) -> Turns:
    """Merges the servers' sequences of scores. A server's turn comes when its score is the highest of all, and so does
    a later turn of its own that scores higher than an earlier one: its key is the lowest score so far. `servers` are
    the `count` whose first keys are the highest: no other can have a turn."""
    servers = np.sort(servers[batch.keys[servers] > -np.inf])
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
    scores, use = batch.turn(servers, taken)
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
            one = slice(best, best + 1)
            scores[one], use[one] = batch.turn(servers[one], taken[one])
        else:
            scores[best] = -np.inf
    return Turns(servers[np.array(chosen, np.intp)], np.array(uses))


def _candidates(batch: _Batch, rules: Sequence[Rule], count: int) -> Indices:
    """The servers that can have a turn: rules tell lanes of servers apart, not the servers of a lane, so that in each
    only the `count` with the highest first keys matter."""
    servers = np.flatnonzero(batch.keys > -np.inf)
    lanes = np.zeros(len(servers), np.int64)
    for rule in rules:
        codes = rule.codes[servers] + 1
        lanes = np.unique(lanes * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
    found = []
    if int(lanes.max()) + 1 > _FEW_LANES:
        return servers
    for lane in range(int(lanes.max()) + 1):
        members = servers[lanes == lane]
        found.append(members[_first(batch.keys[members], count)])
    return np.sort(np.concatenate(found))
