"""Watermarks: which pools take nothing more, and how many instances others take until they are above theirs.

Whether a pool takes another instance is judged by what is requested of its servers before that one, so that the one
that crosses a watermark is the last. What is stopping is requested until it has stopped.
"""

from typing import NamedTuple

import numpy as np

from starlink.scheduling.arrays import Amounts, Codes, Indices, Mask
from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.needs import BASE
from starlink.scheduling.pool import UNLIMITED


class _Marks(NamedTuple):
    """`codes` are the pools that have watermarks and servers. `members` are the servers of each, one pool after the
    other, which begin at `starts`; `limits` is how much may be requested of them: a row a pool, a column for each of
    the resources that always count. `closed` takes nothing whatever is requested."""

    codes: Codes
    members: Indices
    starts: Indices
    limits: Amounts
    closed: frozenset[str]


def above(fleet: Fleet) -> frozenset[str]:
    """The pools that take nothing more, with what is charged."""
    marks = _marks(fleet)
    if not len(marks.codes):
        return marks.closed
    over = (_requested(fleet, marks) > marks.limits).any(axis=1)
    return marks.closed.union(fleet.pool_names[code] for code in marks.codes[over].tolist())


def below(fleet: Fleet) -> Mask:
    """The servers that are in none of these. Not to be written to."""
    full = above(fleet)
    return fleet.remembered(("below", full), lambda: _outside(fleet, full))


def watermarks_left(fleet: Fleet, ask: Ask) -> Amounts | None:
    """How many more instances each pool takes until it is above a watermark, by its code; None if there are none."""
    marks = _marks(fleet)
    if not len(marks.codes):
        return None
    room = marks.limits - _requested(fleet, marks)
    amounts = fleet.needs(ask.load.requests).amounts[: len(BASE)]
    each = np.where(amounts > 0, room // np.maximum(amounts, 1) + 1, UNLIMITED)
    left = np.full(len(fleet.pool_names), UNLIMITED, np.int64)
    left[marks.codes] = np.where(room < 0, 0, each).min(axis=1)
    return left


def _outside(fleet: Fleet, pools: frozenset[str]) -> Mask:
    mask: Mask = np.array([name not in pools for name in fleet.pool_names], np.bool_)[fleet.pool_codes]
    return mask


def _requested(fleet: Fleet, marks: _Marks) -> Amounts:
    rows = fleet.uses.take(marks.members, axis=0)[:, : len(BASE)]
    requested: Amounts = np.add.reduceat(rows, marks.starts, axis=0)
    return requested


def _marks(fleet: Fleet) -> _Marks:
    return fleet.remembered("watermarks", lambda: _marks_of(fleet))


def _marks_of(fleet: Fleet) -> _Marks:
    servers = [np.flatnonzero(fleet.pool_codes == code) for code in range(len(fleet.pool_names))]
    marked = [
        code
        for code, name in enumerate(fleet.pool_names)
        if name in fleet.pools and fleet.pools[name].high and len(servers[code])
    ]
    sizes = [len(servers[code]) for code in marked]
    limits = [[_limit(fleet, code, resource, servers[code]) for resource in BASE] for code in marked]
    return _Marks(
        np.array(marked, np.intp),
        np.concatenate([np.zeros(0, np.intp), *(servers[code] for code in marked)]),
        np.cumsum([0, *sizes[:-1]]) if sizes else np.zeros(0, np.intp),
        np.array(limits, np.int64).reshape(len(marked), len(BASE)),
        frozenset(pool.name for pool in fleet.pools.values() if pool.closed),
    )


def _limit(fleet: Fleet, code: int, resource: str, servers: Indices) -> int:
    """The most that may be requested for the pool to be no higher than its watermark."""
    percent = fleet.pools[fleet.pool_names[code]].high.get(resource)
    capacity = int(fleet.capacity[resource][servers].sum())
    return UNLIMITED if percent is None else min(UNLIMITED, capacity * percent // 100)
