"""What is there of one task: its assignments sorted by what they are to it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from starlink.api.assignment import Assignment
from starlink.api.task import Task
from starlink.api.timestamp import told_time
from starlink.planning.health import Health
from starlink.planning.standing import Standing
from starlink.planning.unreadable import unclear

SERVER_LOST = "ServerLost"
PREEMPTED = "Preempted"
_REFUSALS = frozenset({"OutOfResources", "PortTaken"})


@dataclass(frozen=True, slots=True)
class Observed:
    """The assignments of one task.

    `active` has, a slot, the one that occupies it: unfinished and not given up, stopping ones too; `live` those of them
    that are not stopping. `finished` has the last finished one of a slot that nobody deletes. `lost` are those on lost
    servers: their slots are free for a next attempt, and where none is made, they are taken back as they are when the
    server returns. `replaced` have a later attempt and were not told to stop. `leaving` are deleted ones.
    `unclear` can't be read: they occupy their slots, are nothing else of all this, and are left alone.
    """

    task: Task
    active: Mapping[str, Assignment]
    live: Mapping[str, Assignment]
    finished: Mapping[str, Assignment]
    superseded: tuple[Assignment, ...]
    lost: tuple[Assignment, ...]
    replaced: tuple[Assignment, ...]
    leaving: tuple[Assignment, ...]
    unclear: tuple[Assignment, ...]
    attempts: Mapping[str, int]
    failures: Mapping[str, int]
    standing: Standing


def observe(
    task: Task, assignments: Iterable[Assignment], health: Health, ready_for: Mapping[str, float] | None = None
) -> Observed:
    """Sorts the task's own assignments; `ready_for` is World's."""
    mine = sorted(assignments, key=lambda a: (a.spec.slot, a.spec.attempt))
    lost_after = task.spec.placement.lost_after_seconds
    active: dict[str, Assignment] = {}
    finished: dict[str, Assignment] = {}
    superseded: list[Assignment] = []
    lost: list[Assignment] = []
    leaving: list[Assignment] = []
    unclear_ones: list[Assignment] = []
    attempts = _attempts(task, mine)
    for assignment in mine:
        slot = assignment.spec.slot
        if unclear(assignment):
            unclear_ones.append(assignment)
            continue
        if assignment.metadata.deleting:
            leaving.append(assignment)
        if assignment.finished:
            if not assignment.metadata.deleting:
                if slot in finished:
                    superseded.append(finished[slot])
                finished[slot] = assignment
        elif _is_replaced(assignment, attempts) or health.is_lost(assignment.spec.server, lost_after):
            lost.append(assignment)
        else:
            active[slot] = assignment
    live = {slot: assignment for slot, assignment in active.items() if not assignment.stopping}
    for assignment in unclear_ones:
        active.setdefault(assignment.spec.slot, assignment)
    return Observed(
        task,
        active,
        live,
        finished,
        tuple(superseded),
        tuple(lost),
        tuple(a for a in lost if _is_replaced(a, attempts) and not a.stopping),
        tuple(leaving),
        tuple(unclear_ones),
        attempts,
        _failures(task, finished, superseded, attempts),
        Standing(task, health, ready_for or {}),
    )


def _attempts(task: Task, assignments: Iterable[Assignment]) -> dict[str, int]:
    """The highest attempt of each slot, remembered or there."""
    attempts = {slot.slot: max(slot.attempts, 0) for slot in task.status.slots}
    for assignment in assignments:
        slot = assignment.spec.slot
        attempts[slot] = max(attempts.get(slot, 0), assignment.spec.attempt)
    return attempts


def _is_replaced(assignment: Assignment, attempts: Mapping[str, int]) -> bool:
    """Whether its slot has gone on without it."""
    return assignment.spec.reason == SERVER_LOST or assignment.spec.attempt < attempts[assignment.spec.slot]


def was_preempted(assignment: Assignment) -> bool:
    """Whether it was told to stop to make room for a higher priority."""
    return assignment.spec.desired == "Stopped" and assignment.spec.reason == PREEMPTED


def failed(assignment: Assignment) -> bool:
    """Whether a finished attempt ended badly; one that was told to stop did not, however it took it."""
    status = assignment.status
    if was_preempted(assignment):
        return False
    return status.phase == "Failed" or (status.phase == "Exited" and status.exit_code != 0)


def was_refused(assignment: Assignment) -> bool:
    """Whether its agent did not start it, for its server had less room than was thought: no fault of the task."""
    return assignment.status.phase == "Failed" and assignment.status.reason in _REFUSALS


def succeeded(assignment: Assignment) -> bool:
    """Whether an attempt ran to its end with exit code 0."""
    return assignment.status.phase == "Exited" and assignment.status.exit_code == 0


def _failures(
    task: Task, finished: Mapping[str, Assignment], superseded: Iterable[Assignment], attempts: Mapping[str, int]
) -> dict[str, int]:
    """Failed attempts in a row, a slot: those remembered, and those still there that are not remembered yet."""
    remembered = {slot.slot: slot for slot in task.status.slots}
    counts = {slot.slot: slot.failures for slot in task.status.slots if slot.failures}
    for assignment in (*superseded, *finished.values()):
        slot = assignment.spec.slot
        known = remembered[slot].attempts if slot in remembered else 0
        if failed(assignment) and not was_refused(assignment) and assignment.spec.attempt > known:
            counts[slot] = counts.get(slot, 0) + 1
    return counts


def ended_at(assignment: Assignment) -> float:
    """When a finished attempt ended, in epoch seconds; its creation when its agent did not say."""
    ended = told_time(assignment.status.finished_at)
    return ended if ended is not None else told_time(assignment.metadata.creation_timestamp) or 0.0


def ready_now(health: Health) -> Callable[[Assignment], bool]:
    """A test for assignments that are ready on a server that is heard."""

    def ready(assignment: Assignment) -> bool:
        return assignment.status.ready and not assignment.stopping and not health.is_unknown(assignment.spec.server)

    return ready
