"""The objects of a kind that are to be looked at. No I/O."""

import asyncio
import heapq
from collections.abc import Callable

from starlink.api.meta import ObjectKey

MOST_IN_A_ROUND = 200
"""It bounds how long a round, which nothing interrupts, keeps the leadership from being renewed."""


class Worklist:
    """`some` is set while there is work. Before it begins, nothing is taken in: then all objects are."""

    def __init__(self) -> None:
        self.some = asyncio.Event()
        self._begun = False
        self._keys: dict[ObjectKey, None] = {}  # the one that has waited longest first

    def __len__(self) -> int:
        return len(self._keys)

    def begin(self) -> None:
        """From now on it takes in what is marked."""
        self._begun = True

    def mark(self, *keys: ObjectKey) -> None:
        """These objects are to be looked at."""
        if keys and self._begun:
            self._keys.update(dict.fromkeys(keys))
            self.some.set()

    def take(self, priority: Callable[[ObjectKey], int] = lambda _: 0) -> frozenset[ObjectKey]:
        """The objects of the next round: the highest priorities first, and of one priority those that wait longest.
        What is left is for the round after it."""
        self.some.clear()
        if len(self._keys) <= MOST_IN_A_ROUND:
            chosen, self._keys = frozenset(self._keys), {}
            return chosen
        most = heapq.nsmallest(MOST_IN_A_ROUND, self._keys, key=lambda key: -priority(key))
        for key in most:
            del self._keys[key]
        self.some.set()
        return frozenset(most)
