"""Times that clients in Go read with six digits of a second, and else not at all. Pure.

https://github.com/kubernetes/apimachinery/blob/release-1.32/pkg/apis/meta/v1/micro_time.go
"""

import re
from typing import Any

Obj = dict[str, Any]

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DIGITS = 6
_LENGTH = len("2006-01-02T15:04:05.000000Z")


def prepare_lease(obj: Obj, _old: Obj | None) -> None:
    """Writes the times of a Lease so."""
    if isinstance(spec := obj.get("spec"), dict):
        obj["spec"] = _written(spec, "acquireTime", "renewTime")


def prepare_event(obj: Obj, _old: Obj | None) -> None:
    """Writes the times of an Event so, those but the ones that are older."""
    obj |= _written(obj, "eventTime")
    if isinstance(series := obj.get("series"), dict):
        obj["series"] = _written(series, "lastObservedTime")


def _written(part: Obj, *fields: str) -> Obj:
    """The same object where nothing is to be written otherwise."""
    others = {field: text for field in fields if (text := _exact(part.get(field))) is not None}
    return {**part, **others} if others else part


def _exact(value: Any) -> str | None:
    """The time with six digits; None where it has them, and for what is no time, which is refused later."""
    if not isinstance(value, str) or (len(value) == _LENGTH and value[19] == "."):
        return None
    found = _TIME.fullmatch(value)
    return f"{found[1]}.{(found[2] or '')[:_DIGITS]:0<{_DIGITS}}{found[3]}" if found else None
