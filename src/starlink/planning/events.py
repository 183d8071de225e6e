"""The Events of a task: what people are told when it happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlink.api.assignment import Assignment
from starlink.api.kinds import TASK
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.planning.observed import PREEMPTED, SERVER_LOST
from starlink.planning.plan import Action, RecordEvent

if TYPE_CHECKING:
    from starlink.planning.task import Examined, Placement


def task_events(
    examined: Examined, placement: Placement, status: Mapping[str, Any], tasks: Mapping[ObjectKey, Task]
) -> list[Action]:
    """What people are told of a plan, and of what `status`, the fields that change, says anew. `tasks` are all."""
    task = examined.task
    events: list[Action] = []

    def tell(kind: Any, reason: str, message: str) -> None:
        events.append(RecordEvent(TASK, task.key, task.uid, kind, reason, message))

    for a in examined.observed.lost:
        if a.spec.desired == "Running" and not a.metadata.deleting:
            tell("Warning", SERVER_LOST, f"{a.name} is given up: server {a.spec.server} has not been heard")
    for reason in sorted({reason for _, reason in examined.decision.remove}):
        names = [a.name for a, why in examined.decision.remove if why == reason]
        tell("Normal", reason, f"stopping {_listed(names)}")
    placed = [server for server in placement.servers[: len(examined.decision.wants)] if server]
    if placed:
        tell("Normal", "Placed", f"placed {len(placed)} on {_listed(sorted(set(placed)))}")
    if placement.victims:
        tell("Normal", "Preempting", f"making room: {_listed([str(a.key) for a in placement.victims])}")
        events += _told_to_victims(task, placement.victims, tasks)
    for word in ("Scheduled", "Ready", "Complete", "Failed"):
        told = _became(task, status, word)
        if told is not None:
            tell(*told)
    return events


def _told_to_victims(task: Task, victims: Sequence[Assignment], tasks: Mapping[ObjectKey, Task]) -> list[Action]:
    """For each task that loses some, which, and to whom."""
    losses: dict[tuple[ObjectKey, str], list[Assignment]] = {}
    for a in victims:
        losses.setdefault((ObjectKey(a.metadata.namespace, a.task), a.metadata.controller_uid), []).append(a)
    priority = task.spec.placement.priority
    taker = f"task {task.key} (priority {priority})"
    events: list[Action] = []
    for (key, uid), lost in losses.items():
        its = tasks[key].spec.placement.priority if key in tasks else priority
        why = "makes room for" if its < priority else "gives back what its pool has borrowed, to"
        names = _listed([f"{a.name} on {a.spec.server}" for a in lost])
        events.append(RecordEvent(TASK, key, uid, "Warning", PREEMPTED, f"{names} {why} {taker}"))
    return events


_WARN = {"Scheduled": "False", "Failed": "True"}


def _became(task: Task, status: Mapping[str, Any], word: str) -> tuple[str, str, str] | None:
    """An event for a condition that changed, where a person would ask."""
    new = next((c for c in status.get("conditions", ()) if c["type"] == word), None)
    old = next((c for c in task.status.conditions if c.type == word), None)
    if new is None or (
        old is not None and (old.status, old.reason, old.message) == (new["status"], new["reason"], new["message"])
    ):
        return None
    if word == "Ready":
        failing = new["reason"] == "AttemptsFail"
        return ("Warning", "AttemptFailed", new["message"]) if failing else None
    if word == "Complete":
        return ("Normal", "Complete", new["message"]) if new["status"] == "True" else None
    return ("Warning", new["reason"], new["message"]) if new["status"] == _WARN[word] else None


def _listed(names: Sequence[str]) -> str:
    """At most five names."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
