"""How well a server suits: what is weighed, and how much.

A server's score for the next instance is what it is to the group (`standing`, `company`), what the instances that are
placed now make of it (`filled`), and what they make of its domain (`skew`, the wishes about the group itself). All are
multiples of 2^-24, given weights that are whole numbers: sums of them are exact in any order, so that the same fleet
gives the same scores to the last bit, and what is equal on paper is a tie.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from starlink.scheduling.arrays import ALL, Amounts, At, Codes, Indices, Mask
from starlink.scheduling.arrays import Scores as Scores
from starlink.scheduling.ask import Ask, Term, Toleration
from starlink.scheduling.fleet import Fleet, Taint
from starlink.scheduling.needs import columns
from starlink.scheduling.taints import tolerated
from starlink.scheduling.weighing import Weighing, Weight, policy, weighs, weight_at

_FEW = 1_000  # servers, for which all resources at once are faster than one after the other
_HUNDRED = 100.0  # the largest weight of a term
_GRID = 2.0**24
_OTHERS = 0.1
"""What any instance on a server counts of one of the same task, for those that request nothing: of how full a server
is, they see only what others have requested."""
Weighed = TypeVar("Weighed", float, Scores, Weight)


def standing(fleet: Fleet, ask: Ask) -> Scores:
    """What placing changes nothing of: architecture, artifacts, earlier attempts, soft taints, and the strategy."""
    weights = policy(fleet, ask)
    scores = fleet.remembered(
        ("standing", weights.key, ask.preferred_architectures, ask.tolerations),
        lambda: _of_kind(fleet, ask, weights),
    )
    known = ((ask.local, weights.locality), (ask.homes, weights.failback), (ask.refused, -weights.taints))
    for names, weight in known:
        if names and weighs(weight):
            scores = scores.copy()
            servers = np.array([fleet.index[name] for name in names if name in fleet.index], np.intp)
            scores[servers] += weight_at(weight, servers)
    return scores


def _of_kind(fleet: Fleet, ask: Ask, weights: Weighing) -> Scores:
    preferred = np.array([_preferred(ask, node.architecture) for node in fleet.nodes], np.float64)
    unwelcome = np.array(
        [sum(_is_unwelcome(taint, ask.tolerations) for taint in node.taints) for node in fleet.nodes], np.float64
    )
    return _to_grid(weights.architecture * preferred - weights.taints * unwelcome) + weights.empty


def _preferred(ask: Ask, architecture: str) -> float:
    """1 for the first of the preferred, less for each that follows, 0 for all others."""
    wanted = ask.preferred_architectures
    return 1 - wanted.index(architecture) / len(wanted) if architecture in wanted else 0.0


def _is_unwelcome(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    return taint.effect == "PreferNoSchedule" and not tolerated(taint, tolerations)


class Filled(NamedTuple):
    """The scores of servers for what instances make of them, and how full each is then, 0 to 1."""

    scores: Scores
    use: Scores


def filled(fleet: Fleet, ask: Ask, at: At, more: Indices | int, own: Scores | float) -> Filled:
    """For each of the servers, with one instance after `more` others that are placed now: a number for all, one for
    each, or a column of numbers for all, which gives a row for each number. `own` is how many of the group each had at
    first."""
    weights = policy(fleet, ask)
    use, cpu, memory = _shares(fleet, ask, at, more)
    scores: Scores = weight_at(weights.use, at) * use
    if weighs(weights.own):
        scores = scores - weight_at(weights.own, at) * (own + more)
        if not ask.load.requests:
            scores = scores - weight_at(weights.own, at) * _OTHERS * (fleet.instances[at] + more)
    if weighs(weights.balance):
        scores = scores + weight_at(weights.balance, at) * (1.0 - np.abs(cpu - memory))
    return Filled(_to_grid(scores), use)


class _Shares(NamedTuple):
    """How much is taken with the instance: of what is the fullest, of cpu, and of memory."""

    fullest: Scores
    cpu: Scores
    memory: Scores


def _shares(fleet: Fleet, ask: Ask, at: At, more: Indices | int) -> _Shares:
    needs = fleet.needs(ask.load.requests)
    if not isinstance(at, slice) and len(at) < _FEW:
        taken = fleet.uses.take(at, axis=0) + np.asarray(more + 1)[..., None] * needs.amounts
        shares = taken / fleet.most().take(at, axis=0)
        return _Shares((shares * needs.weighs).max(axis=-1), shares[..., 0], shares[..., 1])
    weighed = np.flatnonzero(needs.weighs)
    used, most = columns(fleet.uses, weighed, at), columns(fleet.most(), weighed, at)
    each = zip(used, needs.amounts[weighed], most, strict=True)
    found: list[Scores] = [(taken + (more + 1) * amount) / whole for taken, amount, whole in each]
    return _Shares(functools.reduce(np.maximum, found), found[0], found[1])


def wishes(fleet: Fleet, ask: Ask, *, own: bool) -> Iterator[tuple[Term, Weight]]:
    """The wishes to be near to others or apart, and what each counts: those about the group itself, which placing
    changes, or all others."""
    weight = policy(fleet, ask).affinity
    for terms, sign in ((ask.affinity, 1.0), (ask.anti_affinity, -1.0)):
        for term in terms:
            if term.weight is not None and (ask.load.group in term.groups) == own:
                yield term, _to_grid(sign * weight * (term.weight / _HUNDRED))


def company(fleet: Fleet, ask: Ask) -> Scores | None:
    """What the wishes about other groups come to; None without any."""
    met = companies(fleet, ask)
    return together(met, ALL) if met else None


class Met(NamedTuple):
    """What a wish comes to: by domain, at the end for a server in none, and the servers' domains."""

    worth: Scores
    codes: Codes


def companies(fleet: Fleet, ask: Ask) -> list[Met]:
    """What each of the wishes about other groups comes to."""
    found = []
    for term, weight in wishes(fleet, ask, own=False):
        domains = fleet.domains(term.key)
        present = np.zeros(len(domains.names) + 1)
        present[:-1] = fleet.counts(term.groups, term.key) > 0
        found.append(_met(present, domains.codes, weight))
    return found


def _met(present: Scores, codes: Codes, weight: Weight) -> Met:
    """Where servers weigh it differently, what is worth as much is told from the rest like a domain of its own."""
    if not isinstance(weight, np.ndarray):
        return Met(weight * present, codes)
    weights, kinds = np.unique(weight, return_inverse=True)
    last = len(present) - 1
    return Met(np.outer(weights, present).ravel(), kinds * len(present) + np.where(codes < 0, last, codes))


def together(met: Iterable[Met], at: At) -> Scores:
    """What all of them come to for some servers; there is one at least."""
    return functools.reduce(np.add, (one.worth[one.codes[at]] for one in met))


def skew(counts: Amounts, among: Mask) -> Scores:
    """Each domain's skew, by its code, and at the end that of being in none: more than any domain's."""
    lowest = counts[among].min() if among.any() else 0
    over: Scores = np.append(counts - lowest, counts.max(initial=lowest) - lowest + 1).astype(np.float64)
    return over


def _to_grid(scores: Weighed) -> Weighed:
    """The nearest multiples of 2^-24."""
    near: Weighed = np.rint(scores * _GRID) / _GRID
    return near
