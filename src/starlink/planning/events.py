"""The Events of a task: what people are told when it happens."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlink.api.assignment import Assignment
from starlink.api.kinds import TASK
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.planning.examined import Examined
from starlink.planning.observed import PREEMPTED, SERVER_LOST
from starlink.planning.placement import PlacementResult
from starlink.planning.plan import Action, RecordEvent
from starlink.planning.task_conditions import WAITING
from starlink.planning.telling import listed
from starlink.planning.unreadable import UNREADABLE
from starlink.planning.words import without_numbers


def task_events(
    examined: Examined,
    placement: PlacementResult,
    given_up: Sequence[Assignment],
    status: Mapping[str, Any],
    tasks: Mapping[ObjectKey, Task],
) -> list[Action]:
    """What people are told of a plan, and of what `status`, the fields that change, says anew. `given_up` are the lost
    that have been replaced, `tasks` are all."""
    task = examined.task
    events: list[Action] = []

    def tell(kind: Any, reason: str, message: str, lasting: bool = False) -> None:
        events.append(RecordEvent(TASK, task.key, task.uid, kind, reason, message, lasting))

    for a in given_up:
        tell("Warning", SERVER_LOST, f"{a.name} is given up: server {a.spec.server} was lost, and it has been replaced")
    for reason in sorted({one.reason for one in examined.decision.remove}):
        names = [one.assignment.name for one in examined.decision.remove if one.reason == reason]
        tell("Normal", reason, f"stopping {listed(names)}")
    placed = [server for server in placement.servers[: len(examined.decision.wants)] if server]
    if placed:
        tell("Normal", "Placed", f"placed {len(placed)} on {listed(sorted(set(placed)))}")
    if placement.victims:
        tell("Normal", "Preempting", f"making room: {listed([str(a.key) for a in placement.victims])}")
        events += _told_to_victims(task, placement.victims, tasks)
    for word in ("Scheduled", "Ready", "Complete", "Failed"):
        told = _became(task, status, word)
        if told is not None:
            tell(*told, lasting=word == "Scheduled")
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
        names = listed([f"{a.name} on {a.spec.server}" for a in lost])
        message = f"{names} {_yields(len(lost), its < priority)} {taker}"
        events.append(RecordEvent(TASK, key, uid, "Warning", PREEMPTED, message))
    return events


def _yields(number: int, to_priority: bool) -> str:
    """What so many do for whom they have to go."""
    if to_priority:
        return "makes room for" if number == 1 else "make room for"
    return f"{'gives' if number == 1 else 'give'} back what {'its' if number == 1 else 'their'} pool has borrowed, to"


_WARN = {"Scheduled": "False", "Failed": "True"}


def _became(task: Task, status: Mapping[str, Any], word: str) -> tuple[str, str, str] | None:
    """An event for a condition that changed, where a person would ask."""
    new = next((c for c in status.get("conditions", ()) if c["type"] == word), None)
    old = next((c for c in task.status.conditions if c.type == word), None)
    if new is None:
        return None
    message, was = _news(word, new["message"]), _news(word, old.message) if old else ""
    if old and (old.status, old.reason) == (new["status"], new["reason"]) and _alike(was, message):
        return None
    if word == "Ready":
        if new["reason"] == UNREADABLE:
            return "Warning", UNREADABLE, message
        return ("Warning", "AttemptFailed", message) if new["reason"] == "AttemptsFail" else None
    if word == "Complete":
        return ("Normal", "Complete", message) if new["status"] == "True" else None
    kind = "Normal" if new["reason"] == WAITING else "Warning"
    return (kind, new["reason"], message) if new["status"] == _WARN[word] else None


def _news(word: str, message: str) -> str:
    """What a condition says anew: Ready begins with a tally that is told of nothing in particular."""
    return message.partition("; ")[2] if word == "Ready" else message


def _alike(old: str, new: str) -> bool:
    """Whether nobody needs to be told again: that a task has no server for more, or for fewer, is the same."""
    return without_numbers(old) == without_numbers(new)
