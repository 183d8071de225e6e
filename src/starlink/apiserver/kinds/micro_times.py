"""Times as Go writes them: in UTC, with six digits of a second or with none. Clients in Go read the former with six
digits, and else not at all. Pure.

https://github.com/kubernetes/apimachinery/blob/release-1.32/pkg/apis/meta/v1/micro_time.go
https://github.com/kubernetes/apimachinery/blob/release-1.32/pkg/apis/meta/v1/time.go
"""

import datetime
import re
from collections.abc import Callable
from typing import Any

Obj = dict[str, Any]

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DIGITS = 6
_LENGTH = len("2006-01-02T15:04:05.000000Z")
_LENGTH_OF_SECONDS = len("2006-01-02T15:04:05Z")


def prepare_lease(obj: Obj, _old: Obj | None) -> None:
    """Writes the times of a Lease so."""
    if isinstance(spec := obj.get("spec"), dict):
        obj["spec"] = _written(spec, _exact, "acquireTime", "renewTime")


def prepare_event(obj: Obj, _old: Obj | None) -> None:
    """Writes the times of an Event so, in the words of either of its groups."""
    obj |= _written(obj, _exact, "eventTime")
    obj |= _written(
        obj, _whole, "firstTimestamp", "lastTimestamp", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"
    )
    if isinstance(series := obj.get("series"), dict):
        obj["series"] = _written(series, _exact, "lastObservedTime")


def _written(part: Obj, form: Callable[[Any], str | None], *fields: str) -> Obj:
    """The same object where nothing is to be written otherwise."""
    others = {field: text for field in fields if (text := form(part.get(field))) is not None}
    return {**part, **others} if others else part


def _exact(value: Any) -> str | None:
    """The time with six digits; None where it has them, and for what is no time, which is refused later."""
    if not isinstance(value, str) or (len(value) == _LENGTH and value[19] == "." and value[-1] == "Z"):
        return None
    found = _TIME.fullmatch(value)
    return _in_utc(found[1], f".{(found[2] or '')[:_DIGITS]:0<{_DIGITS}}", found[3]) if found else None


def _whole(value: Any) -> str | None:
    """The time without a fraction of a second; None as for six digits."""
    if not isinstance(value, str) or (len(value) == _LENGTH_OF_SECONDS and value[-1] == "Z"):
        return None
    found = _TIME.fullmatch(value)
    return _in_utc(found[1], "", found[3]) if found else None


def _in_utc(seconds: str, fraction: str, zone: str) -> str | None:
    """None for what no calendar has."""
    if zone == "Z":
        return f"{seconds}{fraction}Z"
    try:
        moved = datetime.datetime.fromisoformat(f"{seconds}{zone}").astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None
    return f"{moved:%Y-%m-%dT%H:%M:%S}{fraction}Z"
