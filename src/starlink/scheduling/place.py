"""Placing: identical instances as one batch, each on the server with the highest score at its turn."""

from dataclasses import dataclass

import numpy as np

from starlink.api.meta import ObjectKey
from starlink.api.refusal import Refusal
from starlink.scheduling.arrays import Indices, Scores
from starlink.scheduling.ask import Ask
from starlink.scheduling.explaining.explain import explain
from starlink.scheduling.explaining.shortage import Claims
from starlink.scheduling.filters import Removed, feasible
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.turns import turns

_NONE = np.zeros(0, np.intp)


_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """Why an instance goes to its server: it is the best of so many that `fit`, and then so `full`, in percent. Where
    none fits, others stop there first, of which those that it `preempts` are told to."""

    fit: int = 0
    full: int = 0
    preempts: tuple[ObjectKey, ...] = ()

    def __str__(self) -> str:
        if self.fit:
            begin = f"best of {self.fit} that fit" if self.fit > 1 else "the only one that fits"
            return f"{begin}, then {self.full} % full"
        if not self.preempts:
            return "once what stops there has stopped"
        more = f" and {len(self.preempts) - _MOST_NAMED} more" if len(self.preempts) > _MOST_NAMED else ""
        return f"preempts {', '.join(map(str, self.preempts[:_MOST_NAMED]))}{more}"


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
        if len(self.servers) <= self.fit:
            return self.fit
        return max(self.fit, int(np.count_nonzero(np.bincount(self.servers))))


def place(fleet: Fleet, ask: Ask, count: int, claims: Claims | None = None) -> Placed:
    """Places up to `count` instances and charges them to the fleet, which is in a trial; a gang is placed whole or not
    at all. `claims` is what others would give back, for the refusal."""
    before = feasible(fleet, ask)
    fit = len(before.servers)
    found = turns(fleet, ask, before, count)
    if ask.gang and len(found.servers) < count:
        with fleet.trial():
            fleet.place(found.servers, ask.load)
            refusal = explain(fleet, ask, count - len(found.servers), found.servers, claims)
        return Placed(_NONE, np.zeros(0), fit, before.removed, refusal)
    fleet.place(found.servers, ask.load)
    refused = explain(fleet, ask, count - len(found.servers)) if len(found.servers) < count else None
    return Placed(found.servers, found.use, fit, before.removed, refused)
