"""Sizes and costs as cel-go counts them: unsigned numbers of 64 bits that stay at the greatest. Pure.

https://github.com/google/cel-go/blob/v0.22.0/checker/cost.go and common/cost.go
"""

import math
from dataclasses import dataclass

MOST = 2**64 - 1

ACCESS = 1
NEW_LIST, NEW_MAP, NEW_OBJECT = 10, 30, 40
TRAVERSAL, REGEX = 0.1, 0.25
"""A factor on the length of a string that is read, and of a regular expression that is run."""


def plus(*numbers: int) -> int:
    return min(sum(numbers), MOST)


def times(one: int, other: int) -> int:
    return min(one * other, MOST)


def scaled(number: int, factor: float) -> int:
    """Rounded up."""
    return min(math.ceil(float(number) * factor), MOST)


@dataclass(frozen=True, slots=True)
class Size:
    """Between how many characters, bytes, items or entries it has."""

    least: int
    most: int

    def plus(self, other: "Size") -> "Size":
        return Size(plus(self.least, other.least), plus(self.most, other.most))

    def times(self, other: "Size") -> "Size":
        return Size(times(self.least, other.least), times(self.most, other.most))

    def union(self, other: "Size") -> "Size":
        return Size(min(self.least, other.least), max(self.most, other.most))


ONE, UNKNOWN = Size(1, 1), Size(0, MOST)
