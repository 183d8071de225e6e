"""Many writes at once: a store commits together what arrives together."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

AT_ONCE = 32
"""So many of one caller's: enough to fill a commit, and a few milliseconds of the loop."""

T = TypeVar("T")


async def for_each(items: Sequence[T], write: Callable[[T], Awaitable[object]]) -> None:
    """Does `write` of each, in their order but AT_ONCE at a time, with turns for others in between. After the first
    that raises none is begun any more; what was begun is done, and then that is raised."""
    waiting = iter(items)
    failures: list[Exception] = []
    await asyncio.gather(*(_work(waiting, write, failures) for _ in range(min(AT_ONCE, len(items)))))
    if failures:
        raise failures[0]


async def _work(waiting: Iterator[T], write: Callable[[T], Awaitable[object]], failures: list[Exception]) -> None:
    for item in waiting:
        try:
            await write(item)
        except Exception as error:
            failures.append(error)
        if failures:
            return
        await asyncio.sleep(0)
