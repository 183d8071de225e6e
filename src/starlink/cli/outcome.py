"""What became of an object that was applied, by what its status says. Pure.

As kstatus has it (kubernetes-sigs/cli-utils, pkg/kstatus), and for tasks by what their operator says beyond that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from starlink.api import conditions
from starlink.api.assignment import Assignment
from starlink.api.kinds import POOL, SERVER, TASK, Kind
from starlink.api.meta import Condition
from starlink.api.task import Task
from starlink.cli.deleting import leaving
from starlink.cli.tables import one_line

State = Literal["ready", "going", "unplaced", "failed"]
UNPLACEABLE = "Unplaceable"
_FAILING = frozenset({"AttemptsFail", "CrashLoop", "ReplacementFails"})
"""Reasons of Stalled that an instance is to blame for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`going` is not decided yet; `words` say why, or how it stands. `seen` is whether its controller has looked, and
    `reason` the one that a task gives for not being ready."""

    state: State
    words: str = ""
    seen: bool = True
    reason: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether somebody has to do something."""
        return self.state in ("unplaced", "failed")


_UNSEEN = Outcome("going", "the operator has not looked at it yet", seen=False)


def outcome(kind: Kind, obj: dict[str, Any], attempts: Sequence[Assignment] | None = None) -> Outcome:
    """What became of it. `attempts` are a task's assignments, None where they can't be read."""
    if going := leaving(kind, obj):
        return Outcome("failed", one_line(going))
    try:
        found = _of_task(msgspec.convert(obj, Task), attempts) if kind == TASK else _of_others(kind, obj)
    except msgspec.ValidationError:
        found = _of_others(kind, obj)
    return replace(found, words=one_line(found.words))


def may_be_failing(obj: dict[str, Any]) -> bool:
    """Whether a task's outcome depends on its attempts."""
    return any(one.reason in _FAILING for one in conditions.readable(obj) if one.type == "Stalled")


def _of_task(task: Task, attempts: Sequence[Assignment] | None) -> Outcome:
    status, found = task.status, task.status.conditions
    ready = conditions.find(found, conditions.READY)
    if status.observed_generation < task.metadata.generation or ready is None:
        return _UNSEEN
    if task.spec.suspend and not status.replicas:
        return Outcome("ready", "suspended, so nothing of it runs")
    if ready.status == "True":
        return _lasting(task, ready)
    if bad := _trouble(task, attempts):
        return bad
    return Outcome("going", ready.message or ready.reason, reason=ready.reason)


def _lasting(task: Task, ready: Condition) -> Outcome:
    """A Service's instances have to stay ready for a while; a Batch is over."""
    status = task.status
    if task.is_batch or status.available >= status.desired:
        return Outcome("ready", ready.message)
    young = status.desired - status.available
    return Outcome("going", f"{ready.message}, {young} of them not yet for {task.min_ready_seconds:g} s")


def _trouble(task: Task, attempts: Sequence[Assignment] | None) -> Outcome | None:
    """What only a change from outside can mend; None where there is no such thing.

    A Batch tries again by itself until it is Failed. A Service is not to blame for what its former template did.
    """
    found = task.status.conditions
    stalled, scheduled = conditions.find(found, "Stalled"), conditions.find(found, conditions.SCHEDULED)
    if stalled is None or stalled.status != "True":
        return None
    if stalled.reason == UNPLACEABLE:
        return Outcome("unplaced", scheduled.message if scheduled else stalled.message)
    if stalled.reason not in _FAILING:
        return Outcome("failed", f"{stalled.reason}: {stalled.message}", reason=stalled.reason)
    if task.is_batch or not (attempts is None or any(_fails(task, one) for one in attempts)):
        return None
    failure = conditions.find(found, "InstanceFailure")
    told = failure.message if failure and failure.status == "True" else stalled.message
    return Outcome("failed", f"{stalled.reason}: {told}", reason=stalled.reason)


def _fails(task: Task, attempt: Assignment) -> bool:
    current = attempt.revision == task.status.revision
    return current and (attempt.status.phase == "Failed" or attempt.status.restarts > 0)


def _of_others(kind: Kind, obj: dict[str, Any]) -> Outcome:
    """Pools and servers are in force once the operator has looked at them, be servers there or not."""
    found = conditions.readable(obj)
    ready, stalled = conditions.find(found, conditions.READY), conditions.find(found, "Stalled")
    generation = obj["metadata"].get("generation", 0)
    seen = max(_observed(obj), ready.observed_generation if ready else 0)
    if kind in (POOL, SERVER, TASK) and (ready is None or seen < generation):
        return _UNSEEN
    if ready is None and not _observed(obj):
        return Outcome("ready")
    if seen and seen < generation:
        return Outcome("going", "its controller has not looked at it yet", seen=False)
    if stalled is not None and stalled.status == "True":
        return Outcome("failed", f"{stalled.reason}: {stalled.message}")
    if ready is None or ready.status == "True" or kind in (POOL, SERVER):
        return Outcome("ready", ready.message if ready else "")
    return Outcome("going", ready.message or ready.reason)


def _observed(obj: dict[str, Any]) -> int:
    status = obj.get("status")
    seen = status.get("observedGeneration") if isinstance(status, dict) else 0
    return seen if isinstance(seen, int) else 0
