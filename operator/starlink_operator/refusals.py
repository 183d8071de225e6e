"""Patience with what the API refuses for good."""

import asyncio
from collections.abc import Callable

from starlink.backoff import Pauses
from starlink_operator.reporting import Subject

PAUSES = Pauses(1.0, 300.0)


class Refusals:
    """How often in a row the plan of an object was refused; `look` is called when it is time for the next try, by
    `pauses`.

    The same plan is refused again until the object, or what the API takes, is another.
    """

    def __init__(self, look: Callable[[Subject], None], pauses: Pauses = PAUSES) -> None:
        self._look = look
        self._pauses = pauses
        self._known: dict[Subject, tuple[int, asyncio.TimerHandle]] = {}

    def refused(self, subject: Subject) -> float:
        """Counts a refusal. Returns the seconds until the next try, which takes the place of one that was due."""
        before = self._known.get(subject)
        if before is not None:
            before[1].cancel()
        number = before[0] + 1 if before else 1
        seconds = self._pauses.after(number)
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
