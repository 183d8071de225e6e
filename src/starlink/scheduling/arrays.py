"""The arrays that speak of servers."""

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


def distinct(codes: Codes) -> Codes:
    """The different ones among small numbers, in rising order."""
    return np.flatnonzero(np.bincount(codes))
