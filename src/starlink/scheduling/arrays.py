"""The arrays that speak of servers."""

from collections import Counter

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

_FEW = 100  # for which a loop is faster than arrays


def distinct(codes: Codes) -> Codes:
    """The different ones among small numbers, in rising order."""
    return np.flatnonzero(np.bincount(codes))


def counted(servers: Indices) -> tuple[Indices, Amounts]:
    """Each of the servers once, in rising order, and how often it is there."""
    if len(servers) < _FEW:
        indices, numbers = np.array(sorted(Counter(servers.tolist()).items()), np.intp).reshape(-1, 2).T
        return indices, numbers
    numbers = np.bincount(servers)
    indices = np.flatnonzero(numbers)
    return indices, numbers[indices]
