"""What is told of an object that could not be planned: a fault of StarLink's, which troubles no other object. Pure."""

from pathlib import PurePath
from traceback import extract_tb, format_tb

from starlink.api import conditions
from starlink.api.kinds import Kind
from starlink.api.meta import Condition
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.api.timestamp import format_time
from starlink.planning.plan import Action, Plan, RecordEvent, UpdateStatus

INTERNAL_ERROR = "InternalError"
"""The reason of Ready and Stalled where planning an object raised."""


def plan_of_failure(kind: Kind, obj: Task | Server | Pool, error: Exception, now: float) -> Plan:
    """The plan for an object whose planning raised `error`: what it has goes on, and it is told. `Plan.error` says that
    it is to be planned again later."""
    message = f"its planning failed ({where(error)}), a fault of StarLink's: what runs goes on; see the operator's log"
    old = obj.status.conditions
    found = conditions.of_generation(_conditions(message), obj.metadata.generation)
    told = conditions.merge(old, found, now=format_time(now))
    actions: list[Action] = []
    if told != old:
        status = {"conditions": [conditions.entry(condition) for condition in told]}
        actions.append(UpdateStatus(kind, obj.key, obj.uid, status))
        actions.append(RecordEvent(kind, obj.key, obj.uid, "Warning", INTERNAL_ERROR, message))
    return Plan(kind, obj.key, tuple(actions), INTERNAL_ERROR, error=error)


def where(error: BaseException) -> str:
    """The kind of an error and the line that raised it; not its words, which may hold what nobody should read."""
    frames = extract_tb(error.__traceback__)
    at = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{at}"


def frames(error: BaseException) -> str:
    """Where an error was raised, call by call, without its words."""
    return "".join(format_tb(error.__traceback__))


def _conditions(message: str) -> tuple[Condition, ...]:
    return (
        Condition(type="Ready", status="Unknown", reason=INTERNAL_ERROR, message=message),
        Condition(type="Reconciling", status="False", reason=INTERNAL_ERROR),
        Condition(type="Stalled", status="True", reason=INTERNAL_ERROR, message=message),
    )
