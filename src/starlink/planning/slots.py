"""What a task's status remembers of its slots."""

from typing import Any

from starlink.api.assignment import Assignment
from starlink.api.task import Task
from starlink.planning.decision import Decision
from starlink.planning.observed import Observed, failed


def remembered_slots(task: Task, observed: Observed, decision: Decision) -> list[dict[str, Any]]:
    """What must outlive the assignments: attempts of slots that had any go, and failures in a row.

    A slot whose first attempt is still there needs no memory.
    """
    going = {a.spec.slot: a.spec.attempt for a in (*observed.leaving, *decision.forget)}
    for spec in (one.assignment.spec for one in decision.remove):
        going[spec.slot] = max(going.get(spec.slot, 0), spec.attempt)
    remembered = {slot.slot: slot.attempts for slot in task.status.slots}
    found = []
    for slot in sorted({*remembered, *going}, key=lambda name: (len(name), name)):
        entry: dict[str, Any] = {"slot": slot, "attempts": max(remembered.get(slot, 0), going.get(slot, 0))}
        later = sum(1 for a in _failed_now(observed) if a.spec.slot == slot and a.spec.attempt > entry["attempts"])
        entry["failures"] = max(decision.failures.get(slot, 0) - later, 0)
        found.append(entry)
    return found


def _failed_now(observed: Observed) -> list[Assignment]:
    """Failed attempts that are still there: those after the attempts remembered are counted from themselves."""
    return [a for a in (*observed.superseded, *observed.finished.values()) if failed(a)]
