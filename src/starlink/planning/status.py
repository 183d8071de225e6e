"""A task's status: its phase, its numbers, and when what of it began and ended."""

from typing import Any

import msgspec

from starlink.api import labels, slots
from starlink.api.checks import INVALID_SPEC
from starlink.api.status import changes
from starlink.api.task import Task
from starlink.api.timestamp import format_time, told_time
from starlink.planning.batch import suspended_for
from starlink.planning.examined import Examined
from starlink.planning.facts import Facts
from starlink.planning.health import Health
from starlink.planning.placement import PlacementResult
from starlink.planning.slots import remembered_slots
from starlink.planning.task_conditions import condition, task_conditions


def task_status(examined: Examined, placement: PlacementResult, health: Health, now: float) -> dict[str, Any]:
    """The fields of status that changed; empty when none did."""
    facts = Facts(examined, placement, health)
    task = examined.task
    fields: dict[str, Any] = {
        "observedGeneration": task.metadata.generation,
        "phase": _phase(facts),
        "desired": facts.desired,
        "replicas": facts.live,
        "ready": facts.ready,
        "available": facts.available,
        "updated": facts.updated,
        "revision": examined.revision,
        "selector": f"{labels.TASK}={task.name}",
        "slots": remembered_slots(examined.task, examined.observed, examined.decision),
        "results": list(facts.results.told),
        **({"artifact": msgspec.to_builtins(examined.finding)} if examined.finding else {}),
        **(_batch(facts, now) if task.is_batch else {}),
    }
    return changes(task, fields, task_conditions(facts), now, always=() if task.status.phase else _COUNTED)


_COUNTED = frozenset({"desired", "ready", "succeeded"})
"""What `kubectl get` shows: told at first also where it is 0, for what is absent is shown as nothing."""


def invalid_status(task: Task, why: str, now: float) -> dict[str, Any]:
    """The fields of status that changed, for a task whose spec can't be used."""
    found = (
        condition("Ready", False, INVALID_SPEC, why),
        condition("Reconciling", False, INVALID_SPEC, ""),
        condition("Stalled", True, INVALID_SPEC, why),
        condition("Scheduled", False, INVALID_SPEC, why),
    )
    fields = {"observedGeneration": task.metadata.generation, "phase": task.status.phase or "Pending"}
    return changes(task, fields, found, now)


def _phase(facts: Facts) -> str:
    task = facts.task
    if task.metadata.deleting:
        return "Terminating"
    verdict = facts.examined.decision.verdict
    if verdict is not None:
        return verdict.phase
    if task.spec.suspend:
        return "Suspended"
    if task.is_batch:
        return "Running" if facts.live else "Pending"
    if facts.ready >= facts.desired and not facts.crashing:
        return "Running"
    return "Degraded" if facts.ready else "Pending"


def _batch(facts: Facts, now: float) -> dict[str, Any]:
    status = facts.task.status
    fields: dict[str, Any] = {
        "succeeded": facts.completed,
        "failed": max(status.failed, sum(facts.failures.values())),
        "completedSlots": slots.format_ranges(facts.examined.decision.completed),
    }
    started = told_time(status.started_at) is None and (facts.examined.decision.wants or facts.live)
    if started:
        fields["startedAt"] = format_time(now)
    if status.started_at is not None and facts.examined.decision.verdict is None:
        fields |= _suspension(facts.task, now)
    if facts.examined.decision.verdict is not None and status.finished_at is None:
        fields["finishedAt"] = format_time(now)
    return fields


def _suspension(task: Task, now: float) -> dict[str, Any]:
    """When it was suspended, and once it goes on, for how long it was in all: that counts for no deadline."""
    status = task.status
    if task.spec.suspend:
        known = told_time(status.suspended_at) is not None
        return {"suspendedAt": status.suspended_at if known else format_time(now)}
    if status.suspended_at is None:
        return {}
    return {"suspendedAt": None, "suspendedSeconds": round(suspended_for(task, now))}
