"""What is said of the instances of a server that is not heard: neither that they run, nor that they don't. Pure."""

from collections.abc import Iterable
from typing import Any

from starlink.api import conditions
from starlink.api.assignment import Assignment
from starlink.api.meta import Condition
from starlink.api.timestamp import format_time
from starlink.planning.health import Health
from starlink.planning.plan import Doubt

SERVER_UNKNOWN = "ServerUnknown"
_MESSAGE = "its server is not heard; what is told is what was known last"


def doubts(assignments: Iterable[Assignment], health: Health, now: float) -> list[Doubt]:
    """Those of servers that are unknown, which do not say so yet."""
    return [
        Doubt(a.key, a.uid, a.metadata.resource_version, _status(a, now))
        for a in assignments
        if health.is_unknown(a.spec.server) and not (a.finished or a.doubted or health.is_gone(a.spec.server))
    ]


def _status(assignment: Assignment, now: float) -> dict[str, Any]:
    ready = Condition(type=conditions.READY, status="Unknown", reason=SERVER_UNKNOWN, message=_MESSAGE)
    of_now = conditions.of_generation((ready,), assignment.metadata.generation)
    told = conditions.merge(assignment.status.conditions, of_now, now=format_time(now))
    return {
        "phase": "Unknown",
        "ready": False,
        "reason": SERVER_UNKNOWN,
        "message": _MESSAGE,
        "conditions": [conditions.entry(condition) for condition in told],
    }
