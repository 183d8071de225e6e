"""Waking many, a few in each turn of the loop, so that requests get their turns in between."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from starlink.store.eventlog import wake

_FEWEST = 2
_SHARE = 2.0
"""How much of the loop's time those who are woken may have, for each second that it needs for everything else."""
_LONGEST = 0.005
"""Seconds that one turn should take at most."""
_FIRST = 50e-6
"""Seconds that one who is woken is taken for, before any was."""
_WEIGHT = 1 / 8
"""Of the last turn, in what is known of all."""


class Turns:
    """`done` is called when all have been woken; `now` is monotonic.

    While the loop has little else to do, a request hardly waits for those who are woken. When it has much, more are
    woken at once: else many requests would keep the last of them waiting without end.
    """

    def __init__(self, now: Callable[[], float], done: Callable[[], None]) -> None:
        self._now = now
        self._done = done
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._each, self._else = _FIRST, 0.0  # seconds: one who is woken, and what is between two turns
        self._ended = self._begun = 0.0  # the last turn before this one, and this one
        self.under_way = False

    def begin(self, waiters: Iterable["asyncio.Future[None]"]) -> None:
        """Wakes the first of them now, and the others by and by."""
        self.under_way = True
        self._waiting.extend(waiters)
        self._ended = self._now()
        self._wake_some()

    def _wake_some(self) -> None:
        """What is called soon runs in this order: the turn begins, who is woken goes on, the turn ends."""
        loop = asyncio.get_running_loop()
        count = min(self._size(), len(self._waiting))
        loop.call_soon(self._begin_turn)
        for _ in range(count):
            wake(self._waiting.popleft())
        loop.call_soon(self._end_turn, count)

    def _begin_turn(self) -> None:
        self._begun = self._now()

    def _end_turn(self, count: int) -> None:
        before, self._ended = self._ended, self._now()
        self._each += ((self._ended - self._begun) / count - self._each) * _WEIGHT
        self._else += (self._begun - before - self._else) * _WEIGHT
        if self._waiting:
            self._wake_some()
        else:
            self.under_way = False
            self._done()

    def _size(self) -> int:
        """How many the next turn is of."""
        return max(_FEWEST, int(min(_SHARE * self._else, _LONGEST) / max(self._each, 1e-9)))
