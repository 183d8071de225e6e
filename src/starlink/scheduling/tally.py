"""Numbers by key that are counted up and down; what comes to nothing leaves no trace."""

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
K2 = TypeVar("K2", bound=Hashable)

Tally = dict[K, int]


def add(numbers: Tally[K], key: K, number: int) -> None:
    """Adds to the number of a key."""
    now = numbers.get(key, 0) + number
    if now:
        numbers[key] = now
    else:
        numbers.pop(key, None)


def add_in(tallies: dict[K, Tally[K2]], key: K, inner: K2, number: int) -> None:
    """Adds to a number in the tally of a key."""
    numbers = tallies.setdefault(key, {})
    add(numbers, inner, number)
    if not numbers:
        del tallies[key]
