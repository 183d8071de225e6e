"""How fast and how much a server must and may send, from the first byte that it is asked for to the last."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from starlink.artifacts.errors import ArtifactError, GivenUp

SILENCE_SECONDS, LOOK_SECONDS = 30.0, 1.0


@dataclass
class Pace:
    """One fetch, its redirects and its headers included: at most `most` bytes, framing and all; and at any time, after
    the first `grace` seconds, `rate` bytes a second on average. No wait is longer than SILENCE_SECONDS.

    A server that sends a byte a minute is never silent for long. Without a bound on the whole it would hold its fetch
    for years. `given_up` is asked before each wait, by the thread that fetches.
    """

    most: int
    grace: float = 60.0
    rate: float = 16 * 1024
    now: Callable[[], float] = time.monotonic
    given_up: Callable[[], bool] = lambda: False
    _since: float = field(init=False)
    _taken: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._since = self.now()

    def wait(self) -> float:
        """How many seconds the next byte may take. Raises TimeoutError when it should have come, GivenUp when nobody
        wants it any more."""
        if self.given_up():
            raise GivenUp
        left = self._since + self.grace + self._taken / self.rate - self.now()
        if left <= 0:
            raise TimeoutError(f"it sends less than {self.rate:g} bytes a second")
        return min(left, SILENCE_SECONDS)

    def waits(self) -> Iterator[float]:
        """The waits for the next byte, one after the other, short enough that who gives up is heard soon. Raises as
        `wait` does."""
        until = self.now() + SILENCE_SECONDS
        while (left := until - self.now()) > 0:
            yield min(self.wait(), left, LOOK_SECONDS)
        raise TimeoutError(f"nothing came for {SILENCE_SECONDS:g} seconds")

    @property
    def taken(self) -> int:
        """The bytes that came so far."""
        return self._taken

    def took(self, count: int) -> None:
        """So many bytes came. Raises ArtifactError, ArtifactTooLarge."""
        self._taken += count
        if self._taken > self.most:
            raise ArtifactError("ArtifactTooLarge", f"the server sends more than {self.most} bytes, headers included")
