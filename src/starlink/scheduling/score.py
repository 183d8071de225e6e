"""How well a server suits: what is weighed, and how much.

A server's score for the next instance is what it is to the group (`standing`, `company`), what the instances that are
placed now make of it (`filled`), and what they make of its domain (`skew`, the wishes about the group itself). All are
multiples of 2^-24, given weights that are whole numbers: sums of them are exact in any order, so that the same fleet
gives the same scores to the last bit, and what is equal on paper is a tie.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from starlink.scheduling.ask import Ask, Term, Toleration
from starlink.scheduling.filters import tolerated
from starlink.scheduling.fleet import Amounts, Fleet, Indices, Mask, Taint
from starlink.scheduling.pool import Pool, Weights

Scores = npt.NDArray[np.float64]
_HUNDRED = 100.0  # the largest weight of a term
_GRID = 2.0**24


def policy(fleet: Fleet, ask: Ask) -> Pool:
    """The pool whose strategy and weights count: the one that is asked for, else the default of both."""
    return fleet.pools.get(ask.pool) or Pool("")


def standing(fleet: Fleet, ask: Ask) -> Scores:
    """What placing changes nothing of: architecture, artifacts, earlier attempts, and soft taints."""
    weights = policy(fleet, ask).weights
    scores = fleet.remembered(
        ("standing", weights, ask.preferred_architectures, ask.tolerations),
        lambda: _of_kind(fleet, ask, weights),
    )
    known = ((ask.local, weights.locality), (ask.homes, weights.failback), (ask.refused, -weights.taints))
    for names, weight in known:
        if names and weight:
            scores = scores.copy()
            scores[[fleet.index[name] for name in names if name in fleet.index]] += weight
    return scores


def _of_kind(fleet: Fleet, ask: Ask, weights: Weights) -> Scores:
    scores = [
        weights.architecture * _preferred(ask, node.architecture)
        - weights.taints * sum(_is_unwelcome(taint, ask.tolerations) for taint in node.taints)
        for node in fleet.nodes
    ]
    return _to_grid(np.array(scores, np.float64))


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


def filled(fleet: Fleet, ask: Ask, at: "Indices | slice", more: "Indices | int", own: Scores) -> Filled:
    """For each of the servers, with one instance after `more` others that are placed now. `own` is how many of the
    group each had at first."""
    pool = policy(fleet, ask)
    weights = pool.weights
    shares = {key: _share(fleet, ask, key, at, more) for key in _weighed(fleet, ask)}
    use = functools.reduce(np.maximum, shares.values())
    scores = weights.use * use if pool.strategy == "Pack" else -weights.use * use
    if pool.strategy == "Spread":
        scores = scores - weights.own * (own + more)
    if weights.balance:
        scores = scores + weights.balance * (1.0 - np.abs(shares["cpu"] - shares["memory"]))
    return Filled(_to_grid(scores), use)


def _weighed(fleet: Fleet, ask: Ask) -> tuple[str, ...]:
    """Cpu, memory, and what else is asked for."""
    asked = (key for key, amount in ask.load.requests if amount and key in fleet.capacity)
    return tuple(dict.fromkeys(("cpu", "memory", *asked)))


def _share(fleet: Fleet, ask: Ask, key: str, at: "Indices | slice", more: "Indices | int") -> Scores:
    """How much of a resource is taken with the instance."""
    amount = next((amount for name, amount in ask.load.requests if name == key), 0)
    most = fleet.remembered(("most", key), lambda: np.maximum(fleet.capacity[key], 1).astype(np.float64))
    share: Scores = (fleet.used[key][at] + (more + 1) * amount) / most[at]
    return share


def wishes(fleet: Fleet, ask: Ask, *, own: bool) -> Iterator[tuple[Term, float]]:
    """The wishes to be near to others or apart, and what each counts: those about the group itself, which placing
    changes, or all others."""
    weight = policy(fleet, ask).weights.affinity
    for terms, sign in ((ask.affinity, 1.0), (ask.anti_affinity, -1.0)):
        for term in terms:
            if term.weight is not None and (ask.load.group in term.groups) == own:
                yield term, round(sign * weight * (term.weight / _HUNDRED) * _GRID) / _GRID


def company(fleet: Fleet, ask: Ask) -> Scores | None:
    """What the wishes about other groups come to; None without any."""
    scores: Scores | None = None
    for term, weight in wishes(fleet, ask, own=False):
        present = np.append(fleet.counts(term.groups, term.key) > 0, np.False_)
        met: Scores = weight * present[fleet.domains(term.key).codes].astype(np.float64)
        scores = met if scores is None else scores + met
    return scores


def skew(counts: Amounts, among: Mask, weight: float) -> Scores:
    """What each domain's skew costs, by its code, and at the end what it costs to be in none: more than any domain."""
    lowest = counts[among].min() if among.any() else 0
    over = np.append(counts - lowest, counts.max(initial=lowest) - lowest + 1)
    scores: Scores = -weight * over
    return scores


def _to_grid(scores: Scores) -> Scores:
    """The nearest multiples of 2^-24."""
    near: Scores = np.rint(scores * _GRID) / _GRID
    return near
