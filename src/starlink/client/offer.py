"""Whether an API server has something that not all have. Pure but for the clock passed in."""

from collections.abc import Callable

ANEW_SECONDS = 300.0
"""After which a server that had it not is asked anew: it may be another by then."""
RETRY_SECONDS = 5.0
"""After which a server that could not say is asked anew."""


class Offer:
    """Told what the server says and does; says whether to use it, and when to ask for it. `now` is monotonic."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ask_at = float("-inf")
        self.stands = False
        """Whether the server has it, as far as is known."""

    @property
    def is_open(self) -> bool:
        """Whether the server is to be asked now."""
        return not self.stands and self._now() >= self._ask_at

    def found(self, *, there: bool) -> None:
        """The server has said whether it has it."""
        self.stands = there
        self._ask_at = self._now() + ANEW_SECONDS

    def unsaid(self) -> None:
        """The server could not say."""
        self._ask_at = self._now() + RETRY_SECONDS

    def lost(self) -> None:
        """A connection was lost: behind the next there may be another server."""
        self._ask_at = min(self._ask_at, self._now() + RETRY_SECONDS)
