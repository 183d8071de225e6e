"""The cells of a table: what lies at a JSONPath, and what must be computed. Pure."""

import re
from collections.abc import Callable
from typing import Any

from starlink.api.timestamp import parse_time

Obj = dict[str, Any]

_STEP = re.compile(
    r"\.(?P<field>(?:\\.|[^.\[\]])+)"
    r"|\[(?P<index>-?\d+)\]"
    r"""|\[["'](?P<key>[^"']+)["']\]"""
    r"""|\[\?\(@\.(?P<by>[\w.]+)\s*==\s*["'](?P<value>[^"']*)["']\)\]"""
)
_CALL = re.compile(r"^(?P<name>\w+)\((?P<argument>[^)]*)\)$")
_MOST_SHOWN = 3


def compute(obj: Obj, call: str, now: float) -> Any:
    """The cell that `call`, such as `count(.data)`, means; `now` in epoch seconds."""
    found = _CALL.match(call)
    function = _FUNCTIONS.get(found["name"]) if found else None
    return function(obj, found["argument"], now) if function is not None and found is not None else None


def _count(obj: Obj, paths: str, _now: float) -> int:
    return sum(len(find(obj, path) or ()) for path in paths.split(","))


def _event(obj: Obj, what: str, now: float) -> Any:
    """An event of either API."""
    if what == "object":
        about = obj.get("involvedObject") or obj.get("regarding") or {}
        return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"
    if what == "source":
        source = obj.get("source") or obj.get("deprecatedSource") or {}
        return source.get("component") or obj.get("reportingComponent") or obj.get("reportingController") or ""
    series = obj.get("series") or {}
    count = series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1
    if what == "count":
        return str(count)
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or first
    if what == "firstSeen":
        return _ago(first, now)
    return f"{_ago(last, now)} (x{count} over {_ago(first, now)})" if count > 1 else _ago(last, now)


def _ago(timestamp: Any, now: float) -> str:
    return age(timestamp, now) if isinstance(timestamp, str) else "<unknown>"


def _binding(obj: Obj, what: str, _now: float) -> str:
    if what == "role":
        role = obj.get("roleRef") or {}
        return f"{role.get('kind', '')}/{role.get('name', '')}"
    subjects = [subject for subject in obj.get("subjects") or () if subject.get("kind") == what]
    return ", ".join(
        f"{subject.get('namespace', '')}/{subject['name']}" if what == "ServiceAccount" else subject["name"]
        for subject in subjects
    )


def _certificate(obj: Obj, what: str, _now: float) -> str:
    if what == "duration":
        seconds = (obj.get("spec") or {}).get("expirationSeconds")
        return human(seconds) if seconds else "<none>"
    status = obj.get("status") or {}
    conditions = [condition["type"] for condition in status.get("conditions") or ()]
    if status.get("certificate"):
        conditions.append("Issued")
    return ",".join(conditions) or "Pending"


def _controller(obj: Obj, _what: str, _now: float) -> str:
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((f"{o['kind'].lower()}/{o['name']}" for o in owners if o.get("controller")), "<none>")


def _endpoints(obj: Obj, what: str, _now: float) -> str:
    if what == "ports":
        shown = [str(port.get("port") or "*") for port in obj.get("ports") or ()]
    else:
        shown = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    if not shown:
        return "<unset>"
    more = f" + {len(shown) - _MOST_SHOWN} more..." if len(shown) > _MOST_SHOWN else ""
    return ",".join(shown[:_MOST_SHOWN]) + more


def _policy(obj: Obj, what: str, _now: float) -> str:
    spec = obj.get("spec") or {}
    meant = spec.get(what) or {}
    if what == "paramKind":
        return f"{meant['apiVersion']}/{meant['kind']}" if meant else "<unset>"
    if not meant:
        return "<unset>"
    name = meant.get("name") or "*"
    return f"{meant['namespace']}/{name}" if meant.get("namespace") else name


_FUNCTIONS: dict[str, Callable[[Obj, str, float], Any]] = {
    "count": _count,
    "event": _event,
    "binding": _binding,
    "certificate": _certificate,
    "controller": _controller,
    "endpoints": _endpoints,
    "policy": _policy,
}


def find(obj: Any, path: str) -> Any:
    """What lies at a JSONPath of the kind that printer columns use; None when nothing does."""
    value, position = obj, 0
    text = path if path.startswith((".", "[")) else f".{path}"
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            return None
        value, position = _step(value, step), step.end()
    return value


def _step(value: Any, step: re.Match[str]) -> Any:
    name = step["key"] or (step["field"] or "").replace("\\.", ".")
    if name:
        return value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, list):
        return None
    if step["index"] is not None:
        index = int(step["index"])
        return value[index] if -len(value) <= index < len(value) else None
    return next((item for item in value if isinstance(item, dict) and find(item, step["by"]) == step["value"]), None)


def age(timestamp: str, now: float) -> str:
    """How long ago, as kubectl says it: `5s`, `3m10s`, `2d4h` (apimachinery's duration.HumanDuration)."""
    try:
        seconds = int(now - parse_time(timestamp))
    except ValueError:
        return "<invalid>"
    if seconds < 0:
        return "0s" if seconds >= -2 else "<invalid>"
    return human(seconds)


def human(seconds: int) -> str:
    """A duration as kubectl says it."""
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 8 * 365 else f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
