"""Rebalancing: which instances would be better off elsewhere, and by how much."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from starlink.scheduling import score
from starlink.scheduling.arrays import Mask
from starlink.scheduling.ask import Ask
from starlink.scheduling.filters import every, feasible
from starlink.scheduling.fleet import Charge, Fleet
from starlink.scheduling.rules import Balanced, Company, rules_of
from starlink.scheduling.score import Scores

MARGIN = 5.0
"""How much higher a server must score for a move to pay."""


@dataclass(frozen=True, slots=True)
class Move:
    """An instance that scores `gain` more on `server_to`; both are indices of servers."""

    uid: str
    server_from: int
    server_to: int
    gain: float
    reason: str


def rebalance(
    fleet: Fleet, asks_by_group: Mapping[str, Ask], budgets: Mapping[str, int], most: int, margin: float = MARGIN
) -> list[Move]:
    """At most `most` moves that pay, the one that gains most first; each is found with those before it done.

    Takes what another instance of each group asks for (groups that are absent stay), how many of each may be disrupted
    now (absent: none), and by how much a score must be higher to pay for a restart. An instance moves once at most, and
    no two of one call swap their servers. Gangs stay, for half of one elsewhere is no gang. The fleet is as before at
    the end; its charges are looked up by uid meanwhile, and by nobody else.
    """
    moves: list[Move] = []
    moved: dict[str, Charge] = {}
    left = dict(budgets)
    try:
        while len(moves) < most and (move := _best(fleet, asks_by_group, left, moves, margin)) is not None:
            charge = moved[move.uid] = fleet.charges[move.uid]
            fleet.charge(move.uid, Charge(fleet.names[move.server_to], asks_by_group[charge.load.group].load))
            left[charge.load.group] -= 1
            moves.append(move)
    finally:
        for uid, charge in moved.items():
            fleet.charge(uid, charge)
    return moves


def _best(
    fleet: Fleet, asks: Mapping[str, Ask], left: Mapping[str, int], moves: Sequence[Move], margin: float
) -> Move | None:
    """The move that gains most; among equals that of the first uid."""
    best: Move | None = None
    reverse = [(move.server_to, move.server_from) for move in moves]
    for hope, uid in sorted(_hopes(fleet, asks, _movable(fleet, asks, left, {move.uid for move in moves}))):
        if -hope <= (best.gain if best else margin):
            break
        move = _of(fleet, uid, asks[fleet.charges[uid].load.group], reverse)
        if move is not None and move.gain > (best.gain if best else margin):
            best = move
    return best


def _hopes(fleet: Fleet, asks: Mapping[str, Ask], uids: Iterable[str]) -> Iterator[tuple[float, str]]:
    """What each could gain at most, negated."""
    groups: dict[str, list[str]] = {}
    for uid in uids:
        groups.setdefault(fleet.charges[uid].load.group, []).append(uid)
    for group, members in groups.items():
        yield from _hopes_of(fleet, asks[group], members)


def _hopes_of(fleet: Fleet, ask: Ask, uids: Sequence[str]) -> Iterator[tuple[float, str]]:
    """A group at once: what an instance leaves behind changes another server only by wishes about the group itself, and
    by the filters that are left out here."""
    charges = [fleet.charges[uid] for uid in uids]
    known = not _wishes_about_itself(fleet, ask)
    servers = np.array([fleet.index[charge.server] for charge in charges], np.intp)
    best = _best_score(fleet, ask)
    own = fleet.on_servers(ask.load.group).astype(np.float64)
    present = _base(fleet, ask)[servers] + score.filled(fleet, ask, servers, -1, own[servers]).scores
    for uid, charge, now in zip(uids, charges, present.tolist(), strict=True):
        yield (now - best if known and charge.load.requests == ask.load.requests else -np.inf), uid


def _best_score(fleet: Fleet, ask: Ask) -> float:
    open_ = np.ones(len(fleet), np.bool_)
    for name, kept in every(fleet, ask):
        open_ &= kept | (name in _MENDED)
    own = fleet.on_servers(ask.load.group).astype(np.float64)
    scores = _base(fleet, ask) + score.filled(fleet, ask, slice(None), 0, own).scores
    return float(np.max(scores[open_], initial=-np.inf))


_MENDED = frozenset({"Watermark", "Affinity", "AntiAffinity", "Spread", "Quota"})


def _wishes_about_itself(fleet: Fleet, ask: Ask) -> bool:
    return any(not spread.required for spread in ask.spread) or any(score.wishes(fleet, ask, own=True))


def _movable(fleet: Fleet, asks: Mapping[str, Ask], left: Mapping[str, int], moved: set[str]) -> list[str]:
    """The uids of those that may move, the first of each kind: what is alike on a server moves alike."""
    kinds: dict[tuple[str, int], str] = {}
    for uid, charge in fleet.charges.items():
        load = charge.load
        if not charge.counted or charge.stopping or uid in moved or charge.server not in fleet.index:
            continue
        if load.group in asks and left.get(load.group, 0) > 0 and not asks[load.group].gang:
            key = (charge.server, id(load))
            kinds[key] = min(uid, kinds.get(key, uid))
    return sorted(kinds.values())


class _View(NamedTuple):
    """What the servers are to an instance: which may take it, their scores, and how full each would be."""

    open: Mask
    scores: Scores
    use: Scores


def _of(fleet: Fleet, uid: str, ask: Ask, forbidden: Iterable[tuple[int, int]]) -> Move | None:
    """The best move of an instance, however little it gains."""
    source = fleet.index[fleet.charges[uid].server]
    with _taken_away(fleet, uid):
        view = _view(fleet, ask)
    view.open[[source, *(to for origin, to in forbidden if origin == source)]] = False
    if not view.open.any():
        return None
    target = int(np.where(view.open, view.scores, -np.inf).argmax())
    gain = float(view.scores[target] - view.scores[source])
    return Move(uid, source, target, gain, _reason(fleet, view, source, target))


def _reason(fleet: Fleet, view: _View, source: int, target: int) -> str:
    gain = view.scores[target] - view.scores[source]
    here, there = (f"{fleet.names[index]} ({int(view.use[index] * 100)} % full)" for index in (source, target))
    return f"scores {gain:.2f} more on {there} than on {here}"


@contextmanager
def _taken_away(fleet: Fleet, uid: str) -> Iterator[None]:
    charge = fleet.charges[uid]
    fleet.release(uid)
    try:
        yield
    finally:
        fleet.charge(uid, charge)


def _view(fleet: Fleet, ask: Ask) -> _View:
    """Of one instance alone, what the filters forbid is all that the rules of a batch would; only wishes count here."""
    fits = feasible(fleet, ask)
    own = fleet.on_servers(ask.load.group).astype(np.float64)
    filled = score.filled(fleet, ask, slice(None), 0, own)
    scores = _base(fleet, ask) + filled.scores
    for rule in rules_of(fleet, ask, fits):
        scores = rule.judge(scores) if isinstance(rule, Balanced | Company) else scores
    return _View(fits.mask, scores, filled.use)


def _base(fleet: Fleet, ask: Ask) -> Scores:
    """What no instance of the group changes."""
    standing, company = score.standing(fleet, ask), score.company(fleet, ask)
    return standing if company is None else standing + company
