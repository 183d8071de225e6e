"""Numbers by key that are counted up and down; what comes to nothing leaves no trace."""

from collections.abc import Hashable, Iterable
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


def add_in(tallies: dict[K, Tally[K2]], key: K, more: Iterable[tuple[K2, int]]) -> None:
    """Adds to numbers in the tally of a key."""
    numbers = tallies.setdefault(key, {})
    for inner, number in more:  # `add`, without a call for each
        if now := numbers.get(inner, 0) + number:
            numbers[inner] = now
        else:
            numbers.pop(inner, None)
    if not numbers:
        del tallies[key]
