"""What charges make of each server, worked out again only where they have changed."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from starlink.scheduling.arrays import ALL, At, Indices

Kept = TypeVar("Kept", bound=tuple[npt.NDArray[Any], ...])
_MOST_BYTES = 8 * 2**20


@dataclass(slots=True)
class _Entry:
    arrays: tuple[npt.NDArray[Any], ...]
    seen: int

    @property
    def bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays)


class Upkeep:
    """Arrays of a value for each server, which the charges of that server decide alone.

    Every server is stamped when its charges change, and what is kept is brought up to date, when it is asked for, where
    stamps are later than it was seen. Taking a charge back is a change like any other. Those arrays are dropped that
    have been asked for least lately, once all take more than `most` bytes together.
    """

    def __init__(self, servers: int, most: int = _MOST_BYTES) -> None:
        self._stamps = np.zeros(servers, np.int64)
        self._now = 0
        self._entries: dict[Hashable, _Entry] = {}
        self._bytes, self._most = 0, most

    def touch(self, servers: Indices | int) -> None:
        """The charges of these have changed."""
        self._now += 1
        self._stamps[servers] = self._now

    def kept(self, key: Hashable, work: Callable[[At], Kept]) -> Kept:
        """The arrays that `work` gives for every server, which the key tells from what others give. They are not to be
        written to, and hold until the next `touch`."""
        entry = self._entries.pop(key, None)
        if entry is None:
            entry = _Entry(work(ALL), self._now)
            self._bytes += entry.bytes
        elif entry.seen != self._now:
            self._catch_up(entry, work)
        self._entries[key] = entry
        self._drop()
        return entry.arrays  # type: ignore[return-value]

    def _catch_up(self, entry: _Entry, work: Callable[[At], Kept]) -> None:
        (behind,) = (self._stamps > entry.seen).nonzero()
        if 2 * len(behind) < len(self._stamps):
            for array, values in zip(entry.arrays, work(behind), strict=True):
                array[..., behind] = values
        else:
            entry.arrays = work(ALL)
        entry.seen = self._now

    def _drop(self) -> None:
        while self._bytes > self._most and len(self._entries) > 1:
            oldest = next(iter(self._entries))
            self._bytes -= self._entries.pop(oldest).bytes
