"""What would hold up everybody is computed beside the event loop.

Python runs one thread at a time, but a thread gives up its turn every few milliseconds, so that small requests are
answered while a large one is read and checked. There is one thread and not several: each more would take a further
share of the loop's turns, and none would make the large requests faster. What is run here is pure but for caches that
threads may share; the store belongs to the loop.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

LARGE = 8 * 1024
"""Bytes that are computed beside the loop: the dearest of them, a list of thousands of wrong entries, takes 50 ms."""

_KEPT_PER_CHANGED = 8
"""Of a stored object, most is only passed on, which costs that much less than what is new."""

T = TypeVar("T")

_thread = ThreadPoolExecutor(1, "aside")


def weight(brought: int, kept: int = 0) -> int:
    """What a request weighs that brings so many bytes, and meets an object of `kept` bytes."""
    return brought + kept // _KEPT_PER_CHANGED


async def run(weight: int, work: Callable[[], T]) -> T:
    """What `work` gives: at once, or beside the loop when it weighs LARGE or more. Raises what it raises."""
    if weight < LARGE:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_thread, work)
