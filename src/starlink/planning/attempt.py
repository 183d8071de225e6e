"""What is done with an assignment, as actions. Pure."""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeGuard

from starlink.api import conditions, labels
from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT
from starlink.api.meta import Condition
from starlink.api.status import changes
from starlink.planning.health import Health
from starlink.planning.plan import Action, Create, Delete, Patch, ReleaseFinalizer, UpdateStatus

SERVER_UNKNOWN = "ServerUnknown"
_MESSAGE = "its server is not heard; what is told is what was known last"


def create(manifest: dict[str, Any]) -> Create:
    """A new attempt, bound to its server."""
    return Create(ASSIGNMENT, manifest)


def stop(a: Assignment, reason: str) -> Patch:
    """Tell its agent to stop it; the object stays."""
    return Patch(ASSIGNMENT, a.key, a.uid, {"spec": {"desired": "Stopped", "reason": reason}})


def delete(a: Assignment, reason: str) -> Delete:
    """Delete it; its finalizer keeps it until its agent has stopped it."""
    return Delete(ASSIGNMENT, a.key, a.uid, reason)


def release(a: Assignment) -> ReleaseFinalizer:
    """Let it go."""
    meta = a.metadata
    return ReleaseFinalizer(ASSIGNMENT, a.key, a.uid, meta.resource_version, meta.finalizers, labels.STOPPED_FINALIZER)


def may_go(a: Assignment, health: Health) -> bool:
    """Whether nothing of it runs any more, and it is held for that."""
    held = labels.STOPPED_FINALIZER in a.metadata.finalizers
    return held and (a.finished or health.is_gone(a.spec.server))


def is_stop(action: Action) -> TypeGuard[Patch]:
    """Whether it tells an assignment to stop."""
    if not isinstance(action, Patch) or action.kind != ASSIGNMENT:
        return False
    return bool(action.patch.get("spec", {}).get("desired") == "Stopped")


class Leaving(NamedTuple):
    """An assignment that is told to stop, or deleted, and why."""

    uid: str
    reason: str


def leaving(action: Action) -> Leaving | None:
    """Which assignment the action has go; None when it does something else."""
    if is_stop(action):
        return Leaving(action.uid, action.patch["spec"]["reason"])
    if isinstance(action, Delete) and action.kind == ASSIGNMENT:
        return Leaving(action.uid, action.reason)
    return None


def doubts(assignments: Iterable[Assignment], health: Health, now: float) -> list[UpdateStatus]:
    """Says of the instances of servers that are not heard, and that don't say so yet, that nothing is known of them:
    neither that they run, nor that they don't. Only of the version that was seen: the agent's next report overwrites
    it."""
    return [
        UpdateStatus(ASSIGNMENT, a.key, a.uid, _doubted(a, now), a.metadata.resource_version)
        for a in assignments
        if health.is_unknown(a.spec.server) and not (a.finished or a.doubted or health.is_gone(a.spec.server))
    ]


def _doubted(assignment: Assignment, now: float) -> dict[str, Any]:
    ready = Condition(type=conditions.READY, status="Unknown", reason=SERVER_UNKNOWN, message=_MESSAGE)
    fields = {"phase": "Unknown", "ready": False, "reason": SERVER_UNKNOWN, "message": _MESSAGE}
    return changes(assignment, fields, (ready,), now, always=fields)
