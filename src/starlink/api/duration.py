"""Durations as Go and Kubernetes write them: `30s`, `1m30s`, `500ms`."""

import functools
import re

from starlink.api.proposals import DURATIONS, write_such

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_WHOLE = re.compile(r"^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@functools.lru_cache(maxsize=1024)
def seconds(value: str) -> float:
    """Seconds. Raises ValueError naming the value."""
    if not _WHOLE.match(value):
        meant = write_such(value, DURATIONS, _WHOLE.match) or "write it as 30s, 1m30s or 500ms"
        raise ValueError(f"{value!r} is not a duration; {meant}")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(value))


def format_seconds(value: float) -> str:
    """A short form for people: `90` → `1m30s`, `0.5` → `500ms`."""
    if value < 1:
        return f"{round(value * 1000)}ms"
    whole = round(value)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    parts = [f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if number]
    return "".join(parts) or "0s"
