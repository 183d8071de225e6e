"""What is told of an object that could not be planned, or not be read: it troubles no other object. Pure."""

from pathlib import PurePath
from traceback import extract_tb, format_tb
from typing import Any, Protocol

from starlink.api.kinds import Kind
from starlink.api.meta import Condition, Metadata, ObjectKey, Unreadable
from starlink.api.status import changes
from starlink.planning.plan import Action, Plan, RecordEvent, UpdateStatus
from starlink.planning.unreadable import UNREADABLE, told

INTERNAL_ERROR = "InternalError"
"""The reason of Ready and Stalled where planning an object raised."""


class Told(Protocol):
    """An object that is told of in its conditions."""

    @property
    def key(self) -> ObjectKey: ...
    @property
    def uid(self) -> str: ...
    @property
    def metadata(self) -> Metadata: ...
    @property
    def unreadable(self) -> Unreadable | None: ...
    @property
    def status(self) -> Any: ...


def plan_of_failure(kind: Kind, key: ObjectKey, obj: Told | None, error: Exception, now: float) -> Plan:
    """The plan for an object whose planning raised `error`: what it has goes on, and it is told, unless it is gone.
    `Plan.error` says that it is to be planned again later."""
    if obj is None:
        return Plan(kind, key, reason=INTERNAL_ERROR, error=error)
    message = f"its planning failed ({where(error)}), a fault of StarLink's: what runs goes on; see the operator's log"
    return Plan(kind, key, _telling(kind, obj, INTERNAL_ERROR, message, now), INTERNAL_ERROR, error=error)


def plan_of_unreadable(kind: Kind, obj: Told, why: str, now: float) -> Plan:
    """The plan for an object that can't be read, for a reason: it is told, and nothing else is done."""
    return Plan(kind, obj.key, _telling(kind, obj, UNREADABLE, told(why), now), UNREADABLE)


def _telling(kind: Kind, obj: Told, reason: str, message: str, now: float) -> tuple[Action, ...]:
    """The conditions where they change, and an Event then. Conditions that can't be read are not written over."""
    event = RecordEvent(kind, obj.key, obj.uid, "Warning", reason, message)
    if obj.unreadable is not None and obj.unreadable.lacks("status.conditions"):
        return (event,)
    changed = changes(obj, {}, _conditions(reason, message), now)
    return (UpdateStatus(kind, obj.key, obj.uid, changed), event) if changed else ()


def where(error: BaseException) -> str:
    """The kind of an error and the line that raised it; not its words, which may hold what nobody should read."""
    frames = extract_tb(error.__traceback__)
    at = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{at}"


def frames(error: BaseException) -> str:
    """Where an error was raised, call by call, without its words."""
    return "".join(format_tb(error.__traceback__))


def _conditions(reason: str, message: str) -> tuple[Condition, ...]:
    return (
        Condition(type="Ready", status="Unknown", reason=reason, message=message),
        Condition(type="Reconciling", status="False", reason=reason),
        Condition(type="Stalled", status="True", reason=reason, message=message),
    )
