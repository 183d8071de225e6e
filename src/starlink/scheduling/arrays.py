"""The arrays that speak of servers."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Amounts = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]
Codes = npt.NDArray[np.intp]
Scores = npt.NDArray[np.float64]
At = Indices | slice
"""Some servers: their indices, or a part of the order of names."""
ALL = slice(None)
BLOCK = 2048
"""Servers: what is worked out for so many at once stays in the processor's caches."""


def blocks(count: int) -> Iterator[slice]:
    """The parts in which to work on so many, one at least, none of them large."""
    for first in range(0, max(count, 1), BLOCK):
        yield slice(first, min(first + BLOCK, count))
