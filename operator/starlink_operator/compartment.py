"""What a controller or a gate raises stays with it: it is tried again, ever more seldom, and the others go on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlink.backoff import Pauses
from starlink.groups import cause
from starlink.planning.failure import frames, where

log = logging.getLogger(__name__)

RETRIES = Pauses(0.5, 60.0)
"""Between two tries."""


@dataclass(slots=True)
class _Trouble:
    """How often in a row a step has raised, and until when it rests (monotonic)."""

    failures: int = 0
    rests_until: float = float("-inf")


class Compartment:
    """Where one of them works, step by step, each with its own pauses. `monotonic` is a clock. Each cause of a step
    is logged once."""

    def __init__(self, name: str, monotonic: Callable[[], float]) -> None:
        self._name = name
        self._monotonic = monotonic
        self._troubles: dict[str, _Trouble] = {}
        self._told: set[tuple[str, str]] = set()

    def do(self, step: str, call: Callable[[], None]) -> None:
        """Calls, unless the step rests after it has raised."""
        trouble = self._troubles.setdefault(step, _Trouble())
        if self._monotonic() >= trouble.rests_until:
            with self.around(step):
                call()
                trouble.failures = 0

    @contextmanager
    def around(self, step: str) -> Iterator[None]:
        """Keeps what is raised inside, and goes on after it."""
        try:
            yield
        except Exception as error:
            self.failed(step, error)

    async def keep_on(self, step: str, go: Callable[[], Awaitable[None]]) -> None:
        """Goes until it ends by itself. What raises begins anew after a pause; after it has gone for longer than any
        pause, it has raised for the first time."""
        while True:
            began = self._monotonic()
            try:
                return await go()
            except Exception as error:
                if self._monotonic() - began > RETRIES.longest:
                    self._troubles.pop(step, None)
                await asyncio.sleep(self.failed(step, error))

    def failed(self, step: str, error: Exception) -> float:
        """Takes note of what a step has raised. Returns the seconds for which it rests."""
        trouble = self._troubles.setdefault(step, _Trouble())
        trouble.failures += 1
        seconds = RETRIES.after(trouble.failures)
        trouble.rests_until = self._monotonic() + seconds
        raised = cause(error, Exception) if isinstance(error, ExceptionGroup) else error
        if (known := (step, where(raised))) not in self._told:
            self._told.add(known)
            told = step, self._name, where(raised)
            log.error("%s of %s failed: %s", *told, extra={"traceback": frames(raised)})
        return seconds
