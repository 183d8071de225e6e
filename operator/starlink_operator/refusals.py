"""Patience with what the API refuses for good."""

import asyncio
from collections.abc import Callable

from starlink_operator.telling import Subject

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 300.0


def pause(refusals: int, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> float:
    """Seconds until the next try after so many refusals: the first, doubled, and the longest at most."""
    return min(first * 2.0 ** min(refusals - 1, 16), longest)


class Refusals:
    """How often in a row the plan of an object was refused; `look` is called when it is time for the next try, after
    `first` to `longest` seconds.

    The same plan is refused again until the object, or what the API takes, is another.
    """

    def __init__(
        self, look: Callable[[Subject], None], first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS
    ) -> None:
        self._look = look
        self._pauses = first, longest
        self._known: dict[Subject, tuple[int, asyncio.TimerHandle]] = {}

    def refused(self, subject: Subject) -> float:
        """Counts a refusal. Returns the seconds until the next try, which takes the place of one that was due."""
        before = self._known.get(subject)
        if before is not None:
            before[1].cancel()
        number = before[0] + 1 if before else 1
        seconds = pause(number, *self._pauses)
        self._known[subject] = number, asyncio.get_running_loop().call_later(seconds, self._look, subject)
        return seconds

    def waits(self, subject: Subject) -> bool:
        """Whether its next try is still to come."""
        known = self._known.get(subject)
        return known is not None and known[1].when() > asyncio.get_running_loop().time()

    def forget(self, subject: Subject) -> None:
        """The object is another, or gone."""
        before = self._known.pop(subject, None)
        if before is not None:
            before[1].cancel()
