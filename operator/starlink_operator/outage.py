"""Patience while the API takes no writes at all. Pure but for the clock passed in."""

from starlink.backoff import Pauses
from starlink.client.errors import ClientError

FEW = 3
"""Failures in a row that are still no outage."""
PAUSES = Pauses(0.5, 10.0)


class Outage:
    """Told of every write; says how long to rest before the next round, ever longer while none succeeds."""

    def __init__(self) -> None:
        self.succeeded()

    def succeeded(self) -> None:
        """A write was answered: what was refused, was refused for its own sake."""
        self._failures, self._rests, self._rests_until = 0, 0, float("-inf")

    def failed(self, error: ClientError, now: float) -> None:
        """A write failed. Those that fail together count as one try."""
        if not error.retryable:
            self.succeeded()
            return
        self._failures += 1
        if self._failures >= FEW and now >= self._rests_until:
            self._rests += 1
            self._rests_until = now + PAUSES.after(self._rests)

    def rest(self, now: float) -> float:
        """Seconds until the next try; 0 when there is no outage, or it is time to try."""
        return max(self._rests_until - now, 0.0)
