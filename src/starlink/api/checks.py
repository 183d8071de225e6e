"""Checks of single values, each named by its field; what judges an object is a sequence of them. Pure."""

import math
from collections.abc import Callable, Iterable

from starlink.api import duration

INVALID_SPEC = "InvalidSpec"
"""The reason that conditions and Events give where a check of a spec fails."""
MOST = 2**31 - 1

Check = tuple[str, Callable[[], object]]
"""A field, and a function that raises ValueError or ArithmeticError with the value and what would be right."""


def first(checks: Iterable[Check]) -> str:
    """The first field whose check fails, with its value and what would be right; "" when none fails."""
    for field, check in checks:
        try:
            check()
        except (ValueError, ArithmeticError) as error:
            return f"{field}: {error}"
    return ""


def within(value: float | None, least: int = 0, most: int = MOST) -> None:
    """A number from `least` to `most`, or none. Raises ValueError."""
    if value is not None and not least <= value <= most:
        raise ValueError(f"{value} is out of range; write a number from {least} to {most}")


def length_of_time(value: str | None) -> None:
    """A duration that a clock can count, or none. Raises ValueError."""
    if value is not None and not math.isfinite(duration.seconds(value)):
        raise ValueError(f"{value[:40]!r} is too long a duration; write it as 30s, 1m30s or 500ms")
