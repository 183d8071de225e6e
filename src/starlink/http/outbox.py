"""Answers on their way out: none leaves before what was noted of its request is written.

What one turn of the loop notes is written at once, for a commit of the store ends many requests in the same turn, and a
system call for each would be a good part of what they cost.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger(__name__)


class Notes(Protocol):
    """What is noted of requests, such as an audit log."""

    @property
    def waits(self) -> bool:
        """Whether something is not written yet."""

    def flush(self) -> None:
        """Writes it."""


class Nothing:
    """Where nothing is noted."""

    waits = False

    def flush(self) -> None:
        """Nothing."""


class Outbox:
    """Holds answers back for as long as notes wait, and that is until the end of this turn of the loop."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._held: list[Callable[[], None]] = []

    def send(self, answer: Callable[[], None]) -> None:
        """Calls `answer`, which sends one, when the notes are written."""
        if not self._notes.waits:
            answer()
            return
        if not self._held:
            asyncio.get_running_loop().call_soon(self._let_go)
        self._held.append(answer)

    def settle(self) -> None:
        """Writes the notes, for an answer that can't be held back."""
        if self._notes.waits:
            self._notes.flush()

    def _let_go(self) -> None:
        self.settle()
        held, self._held = self._held, []
        for answer in held:
            try:
                answer()
            except Exception:
                log.exception("an answer was not sent")
