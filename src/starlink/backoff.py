"""Back-off: how long to wait before another try. Pure."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_GROWTH = 64
"""More growth than this reaches any `longest`, and a float must not overflow."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between tries: `first` after the first failure, then `factor` times as long after each, and never more
    than `longest`. Iterating gives the pauses one after another, without end."""

    first: float
    longest: float
    factor: float = 2.0

    def after(self, failures: int) -> float:
        """The pause after so many failures in a row, the first one counted as 1."""
        return min(self.first * self.factor ** min(max(failures - 1, 0), _MOST_GROWTH), self.longest)

    def __iter__(self) -> Iterator[float]:
        return map(self.after, itertools.count(1))
