"""The requests of an instance as rows of a fleet's tables, so that all resources are looked at in one go."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from starlink.scheduling.arrays import Amounts, At, Indices

Number = TypeVar("Number", np.int64, np.float64)
Requests = tuple[tuple[str, int], ...]
Ranks = npt.NDArray[np.int16]
BASE = ("cpu", "memory")
"""The resources that always count, and the first rows of every table."""


class Rows(NamedTuple):
    """Rows of the tables, in rising order, and how much an instance takes of each, as a column."""

    rows: Indices
    amounts: Amounts

    def of(self, table: npt.NDArray[Number], at: At) -> npt.NDArray[Number]:
        """The table's rows for some servers."""
        count = len(self.rows)
        if count and self.rows[-1] == count - 1:
            return table[:count, at] if isinstance(at, slice) else table[:count].take(at, axis=1)
        return table[:, at][self.rows] if isinstance(at, slice) else table.take(at, axis=1)[self.rows]

    def each(self, table: npt.NDArray[Number], at: At) -> Iterator[npt.NDArray[Number]]:
        """The same, one row after the other."""
        for row in self.rows:
            yield table[row][at]


class Needs(NamedTuple):
    """What an instance needs, by resource in the order in which they are counted: cpu, memory, then what is asked.

    `asked` is all of which there is some to take, `ranks` its numbers in that order, as a column; `nowhere` is the
    first number of what is asked for and no server has, as many as there are if there is none such. `weighed` is cpu,
    memory and all that is asked.
    """

    resources: tuple[str, ...]
    asked: Rows
    ranks: Ranks
    nowhere: int
    weighed: Rows

    def lacking(self, capacity: Amounts, used: Amounts, at: At) -> Ranks:
        """For some servers, the number of the first resource that each has too little of; of none, as many as there
        are."""
        if isinstance(at, slice):
            return self._lacking_each(capacity, used, at)
        short = self.asked.of(capacity, at) - self.asked.of(used, at) < self.asked.amounts
        first: Ranks = np.where(short, self.ranks, np.int16(self.nowhere)).min(axis=0, initial=self.nowhere)
        return first

    def _lacking_each(self, capacity: Amounts, used: Amounts, at: slice) -> Ranks:
        """The same, a resource after the other, which is faster for many servers."""
        first = np.full(capacity[0][at].shape, self.nowhere, np.int16)
        each = zip(
            self.asked.each(capacity, at), self.asked.each(used, at), self.asked.amounts, self.ranks, strict=True
        )
        for most, taken, amount, rank in each:
            np.minimum(first, rank, out=first, where=most - taken < amount)
        return first


def needs_of(requests: Requests, known: Mapping[str, int]) -> Needs:
    """The needs of requests in tables whose rows are known by resource."""
    amounts = dict.fromkeys(BASE, 0) | dict(requests)
    asked = sorted((name for name, amount in amounts.items() if amount and name in known), key=known.__getitem__)
    missing = [number for number, (name, amount) in enumerate(amounts.items()) if amount and name not in known]
    numbers = {name: number for number, name in enumerate(amounts)}
    return Needs(
        tuple(amounts),
        _rows(asked, amounts, known),
        np.array([[numbers[name]] for name in asked], np.int16).reshape(-1, 1),
        min(missing, default=len(amounts)),
        _rows(dict.fromkeys((*BASE, *asked)), amounts, known),
    )


def _rows(names: Iterable[str], amounts: Mapping[str, int], known: Mapping[str, int]) -> Rows:
    names = tuple(names)
    taken = np.array([amounts[name] for name in names], np.int64).reshape(-1, 1)
    return Rows(np.array([known[name] for name in names], np.intp), taken)
