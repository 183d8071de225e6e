"""How fast and how much a server must and may send, from the first byte that it is asked for to the last."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlink.artifacts.errors import ArtifactError

SILENCE_SECONDS = 30.0


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
        """How many seconds the next byte may take. Raises TimeoutError when it should have come, ArtifactError when
        nobody wants it any more."""
        if self.given_up():
            raise ArtifactError("ArtifactGivenUp", "nobody wants the artifact any more")
        left = self._since + self.grace + self._taken / self.rate - self.now()
        if left <= 0:
            raise TimeoutError(f"it sends less than {self.rate:g} bytes a second")
        return min(left, SILENCE_SECONDS)

    def took(self, count: int) -> None:
        """So many bytes came. Raises ArtifactError, ArtifactTooLarge."""
        self._taken += count
        if self._taken > self.most:
            raise ArtifactError("ArtifactTooLarge", f"the server sends more than {self.most} bytes, headers included")
