"""Keeping the artifact cache within its bounds: a look from time to time, after a fetch, and when the disk is full."""

import asyncio
import contextlib
import logging
import math
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from starlink.api import duration, quantity
from starlink_nodeagent import threads

log = logging.getLogger(__name__)

LARGEST, SHARE, AGE_SECONDS = 10 * 1024**3, 0.1, 30 * 86_400.0
"""Of the disk that holds the cache `SHARE`, but at most `LARGEST` bytes."""
LOOK_SECONDS, REST_SECONDS = 600.0, 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the cache, in bytes and in seconds without a use; None is the default."""

    size: int | None = None
    age: float | None = None


class BadLimit(ValueError):
    """The message names the option, the value and what would be right."""


def limits(size: str, age: str) -> Limits:
    """What the agent's options say; "" is the default. Raises BadLimit."""
    return Limits(
        _number(quantity.count_bytes, "--cache-size", size, "bytes with an optional unit, such as 10Gi"),
        _number(duration.seconds, "--cache-age", age, "a time such as 720h"),
    )


_Number = TypeVar("_Number", int, float)


def _number(read: Callable[[str], _Number], option: str, text: str, right: str) -> _Number | None:
    if not text:
        return None
    try:
        found = read(text)
    except (ValueError, ArithmeticError):
        found = None
    if found is None or not 0 <= found < math.inf:
        raise BadLimit(f"{option} {text}: write {right}")
    return found


class Eviction:
    """Of the cache in a folder. `in_use` gives the digests of what instances have; `now` epoch seconds."""

    def __init__(
        self, folder: Path, limits: Limits, in_use: Callable[[], Collection[str]], now: Callable[[], float]
    ) -> None:
        self._folder, self._limits = folder, limits
        self._in_use, self._now = in_use, now
        self._wanted = asyncio.Event()
        self._is_disk_full = False

    def look_again(self) -> None:
        """Something was added."""
        self._wanted.set()

    def make_room(self) -> None:
        """The disk is full: all that is not in use goes."""
        self._is_disk_full = True
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wanted.clear()
            await self.evict()
            await asyncio.sleep(REST_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wanted.wait()

    async def evict(self) -> None:
        """One look."""
        full, self._is_disk_full = self._is_disk_full, False
        if not self._folder.is_dir():
            return
        limits = Limits(0, 0.0) if full else self._limits
        try:
            await threads.run(_evict, self._folder, limits, frozenset(self._in_use()), self._now())
        except (OSError, RuntimeError) as error:
            log.warning("the artifact cache could not be looked through: %s", error)


def _evict(folder: Path, limits: Limits, in_use: Collection[str], now: float) -> None:
    # Imported when first needed: an agent without artifacts stays small.
    from starlink.artifacts import cache
    from starlink.artifacts.eviction import Bounds, plan

    cache.sweep(folder)
    cache.note_use(folder, in_use)
    size = min(LARGEST, int(shutil.disk_usage(folder).total * SHARE)) if limits.size is None else limits.size
    bounds = Bounds(size, AGE_SECONDS if limits.age is None else limits.age)
    if going := plan(cache.entries(folder), in_use, now, bounds):
        log.info("archives leave the cache", extra={"files": len(going), "bytes": sum(entry.size for entry in going)})
        cache.remove(folder, going)
