"""RFC 3339 timestamps to and from seconds since the epoch."""

from datetime import UTC, datetime
from functools import lru_cache


def format_time(epoch: float) -> str:
    """Whole seconds, as metadata has them: `2026-01-02T03:04:05Z`."""
    return _format_seconds(int(epoch))


@lru_cache(maxsize=16)
def _format_seconds(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(epoch: float) -> str:
    """Microseconds, as a Lease's renewTime has them."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(value: str) -> float:
    """Seconds since the epoch. Raises ValueError naming the value."""
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a time; write it as 2026-01-02T03:04:05Z") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def told_time(value: str | None) -> float | None:
    """The same of what a status tells; None where it tells no time that can be read."""
    try:
        return None if value is None else parse_time(value)
    except (ValueError, OverflowError):
        return None
