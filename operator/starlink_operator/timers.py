"""When keys are looked at again: one timer a key."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
SHORTEST_SECONDS = 0.01


class Timers(Generic[K]):
    """`call` is called with a key when its time has come."""

    def __init__(self, call: Callable[[K], None]) -> None:
        self._call = call
        self._timers: dict[K, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def set(self, key: K, seconds: float | None) -> None:
        """In so many seconds, in place of what was set before; None: not at all."""
        before = self._timers.pop(key, None)
        if before is not None:
            before.cancel()
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._timers[key] = loop.call_later(max(seconds, SHORTEST_SECONDS), self._due, key)

    def hasten(self, key: K, seconds: float) -> None:
        """In so many seconds, unless it is due before."""
        before = self._timers.get(key)
        if before is None or before.when() > asyncio.get_running_loop().time() + seconds:
            self.set(key, seconds)

    def _due(self, key: K) -> None:
        del self._timers[key]
        self._call(key)
