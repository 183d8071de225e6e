"""The requests of an instance as columns of a fleet's tables, so that all resources are looked at in one go."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from starlink.scheduling.arrays import Amounts, At, Indices, Scores

Number = TypeVar("Number", np.int64, np.float64)
Requests = tuple[tuple[str, int], ...]
Ranks = npt.NDArray[np.int16]
BASE = ("cpu", "memory")
"""The resources that always count, and the first columns of every table."""


class Needs(NamedTuple):
    """What an instance needs, by resource in the order in which they are counted: cpu, memory, then what is asked.

    By column of the tables, `amounts` is how much is taken, `ranks` the number of what is asked for, which is as many
    as there are where nothing is asked, and `weighs` 1 where it counts how full a server is: cpu, memory and all that
    is asked. `asked` are the columns of which there is some to take. `nowhere` is the first number of what is asked for
    and no server has, as many as there are if there is none such.
    """

    resources: tuple[str, ...]
    amounts: Amounts
    ranks: Ranks
    weighs: Scores
    asked: Indices
    nowhere: int

    def lacking(self, capacity: Amounts, used: Amounts, at: At) -> Ranks:
        """For some servers, the number of the first resource that each has too little of; of none, as many as there
        are."""
        if isinstance(at, slice):
            return self._lacking_each(capacity, used, at)
        short = capacity.take(at, axis=0) - used.take(at, axis=0) < self.amounts
        first = np.full(len(at), self.nowhere, np.int16)
        if short.any():  # seldom so: most of what has changed still has room
            np.where(short, self.ranks, first[:, None]).min(axis=1, initial=self.nowhere, out=first)
        return first

    def _lacking_each(self, capacity: Amounts, used: Amounts, at: slice) -> Ranks:
        """The same, a resource after the other, which is faster for many servers."""
        first = np.full(len(capacity[at]), self.nowhere, np.int16)
        for number in self.asked:
            short = capacity[at, number] - used[at, number] < self.amounts[number]
            np.minimum(first, self.ranks[number], out=first, where=short)
        return first


def columns(table: npt.NDArray[Number], numbers: Indices, at: At) -> Iterator[npt.NDArray[Number]]:
    """Columns of a table for some servers, one after the other."""
    for number in numbers:
        column = table[:, number]
        # Where servers repeat, a column in one piece is read faster
        yield column.copy()[at] if not isinstance(at, slice) and len(at) > len(column) else column[at]


def needs_of(requests: Requests, known: Mapping[str, int]) -> Needs:
    """The needs of requests in tables whose columns are known by resource."""
    wanted = dict.fromkeys(BASE, 0) | dict(requests)
    amounts, ranks = np.zeros(len(known), np.int64), np.full(len(known), len(wanted), np.int16)
    missing = []
    for number, (name, amount) in enumerate(wanted.items()):
        if amount and name in known:
            amounts[known[name]], ranks[known[name]] = amount, number
        elif amount:
            missing.append(number)
    weighs = (amounts > 0).astype(np.float64)
    weighs[[known[name] for name in BASE]] = 1.0
    nowhere = min(missing, default=len(wanted))
    return Needs(tuple(wanted), amounts, ranks, weighs, np.flatnonzero(amounts), nowhere)
