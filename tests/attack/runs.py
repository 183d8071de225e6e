"""How long the event loop is busy at a stretch, in calls of functions and not in seconds."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any


class Runs:
    """`longest` is how many functions the loop's thread called between two turns of the loop, at most."""

    def __init__(self) -> None:
        self.longest = 0
        self._calls = 0

    def count(self, _frame: FrameType, event: str, _argument: Any) -> None:
        self._calls += event in ("call", "c_call")

    async def follow(self) -> None:
        while True:
            self.turn()
            await asyncio.sleep(0)

    def turn(self) -> None:
        self.longest = max(self.longest, self._calls)
        self._calls = 0


@contextlib.asynccontextmanager
async def counted() -> AsyncIterator[Runs]:
    """Counts while the block runs, of everything on the loop."""
    runs = Runs()
    following = asyncio.create_task(runs.follow())
    await asyncio.sleep(0)
    sys.setprofile(runs.count)
    try:
        yield runs
    finally:
        sys.setprofile(None)
        runs.turn()
        following.cancel()
