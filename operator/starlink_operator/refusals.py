"""Patience with what the API refuses for good."""

import asyncio
from collections.abc import Callable

from starlink.api.meta import ObjectKey

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 300.0


def pause(refusals: int) -> float:
    """Seconds until the next try after so many refusals: 1, doubled, at most 5 minutes."""
    return min(FIRST_SECONDS * 2.0 ** min(refusals - 1, 16), LONGEST_SECONDS)


class Refusals:
    """How often in a row the plan of an object was refused; `look` is called when it is time for the next try.

    The same plan is refused again until the object, or what the API takes, is another.
    """

    def __init__(self, look: Callable[[ObjectKey], None]) -> None:
        self._look = look
        self._known: dict[ObjectKey, tuple[int, asyncio.TimerHandle]] = {}

    def refused(self, key: ObjectKey) -> float:
        """Counts a refusal. Returns the seconds until the next try, which takes the place of one that was due."""
        before = self._known.get(key)
        if before is not None:
            before[1].cancel()
        number = before[0] + 1 if before else 1
        seconds = pause(number)
        self._known[key] = number, asyncio.get_running_loop().call_later(seconds, self._look, key)
        return seconds

    def forget(self, key: ObjectKey) -> None:
        """The object is another, or gone."""
        before = self._known.pop(key, None)
        if before is not None:
            before[1].cancel()
