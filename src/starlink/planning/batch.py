"""A Batch: completions, parallelism, retries and deadline."""

from itertools import chain
from typing import get_args

from starlink.api import conditions, duration, slots
from starlink.api.assignment import Assignment
from starlink.api.task import Task
from starlink.api.timestamp import told_time
from starlink.backoff import Pauses
from starlink.planning import gang
from starlink.planning.decision import Decision, Want
from starlink.planning.health import Health
from starlink.planning.observed import Observed, ended_at, failed, succeeded, was_refused
from starlink.planning.reasons import Because, Phase, Verdict
from starlink.planning.service import most_wants
from starlink.planning.words import counted, share

BACKOFF = Pauses(1.0, 60.0)
KEPT_FAILURES = 50
"""Failed attempts of one Batch that stay, the latest, so that their logs can be read."""


def decide(observed: Observed, health: Health, now: float) -> Decision:
    """What to stop, and which slots want a server."""
    task = observed.task
    completed = slots.parse_ranges(task.status.completed_slots) | {
        int(slot) for slot, a in observed.finished.items() if succeeded(a)
    }
    completed |= {int(a.spec.slot) for a in observed.superseded if succeeded(a)}
    verdict = _verdict(observed, frozenset(completed), now)
    if verdict is not None:
        stop = tuple(Because(a, f"Task{verdict.phase}") for a in observed.live.values())
        return Decision(stop=stop, completed=frozenset(completed), failures=dict(observed.failures), verdict=verdict)
    if task.spec.suspend or task.metadata.deleting:
        remove = tuple(Because(a, "Suspended") for a in observed.live.values())
        return Decision(
            remove=remove,
            completed=frozenset(completed),
            failures=dict(observed.failures),
        )
    wants, forget, recheck, more = _next_attempts(observed, frozenset(completed), now)
    is_gang = task.spec.placement.gang
    if is_gang and gang.is_going(observed):
        wants, forget = [], []
    return Decision(
        stop=gang.to_follow(observed) if is_gang else (),
        forget=tuple(forget),
        wants=tuple(wants),
        completed=frozenset(completed),
        failures=dict(observed.failures),
        more=more,
        recheck_after=_sooner(recheck, _deadline(observed, now)),
    )


def _verdict(observed: Observed, completed: frozenset[int], now: float) -> Verdict | None:
    task = observed.task
    for phase in get_args(Phase):
        told = conditions.find(task.status.conditions, phase)
        if told is not None and told.status == "True":
            return Verdict(phase, told.reason, told.message)
    done = sum(1 for slot in completed if slot < task.completions)
    if done >= task.completions:
        return Verdict("Complete", "AllCompleted", f"{share(done, task.completions, 'completion')} done")
    exhausted = sorted(slot for slot, count in observed.failures.items() if count > task.retries)
    if exhausted:
        slot = exhausted[0]
        last = observed.finished.get(slot)
        why = f": {describe(last)}" if last is not None else ""
        return Verdict(
            "Failed",
            "RetriesExceeded",
            f"slot {slot} failed {counted(observed.failures[slot], 'time')}, retries is {task.retries}{why}",
        )
    left = _deadline(observed, now)
    if left is not None and left <= 0:
        return Verdict(
            "Failed",
            "DeadlineExceeded",
            f"it took longer than {task.spec.deadline}; {share(done, task.completions, 'completion')} done",
        )
    return None


def _deadline(observed: Observed, now: float) -> float | None:
    """Seconds left, those aside in which the task was suspended."""
    task = observed.task
    started = told_time(task.status.started_at)
    if task.spec.deadline is None or started is None:
        return None
    running = now - started - suspended_for(task, now)
    return duration.seconds(task.spec.deadline) - running


def suspended_for(task: Task, now: float) -> float:
    """For how many seconds a Batch that has begun was suspended in all."""
    status = task.status
    since = told_time(status.suspended_at)
    return max(status.suspended_seconds, 0) + max(now - (now if since is None else since), 0.0)


def _next_attempts(
    observed: Observed, completed: frozenset[int], now: float
) -> tuple[list[Want], list[Assignment], float | None, bool]:
    """The slots that are neither done nor active, those of lost attempts first and then the lowest, as far as
    parallelism allows."""
    task = observed.task
    room, most = task.parallelism - len(observed.active), most_wants(task)
    wants: list[Want] = []
    forget = [a for a in observed.superseded if not (succeeded(a) or _has_logs(a))]
    ended = sorted((*observed.superseded, *observed.finished.values()), key=ended_at)
    forget += [a for a in ended if _has_logs(a)][:-KEPT_FAILURES]
    recheck: float | None = None
    lost = sorted({int(a.spec.slot) for a in observed.lost if not a.stopping})
    for index in chain(lost, (index for index in range(task.completions) if index not in lost)):
        if len(wants) >= min(room, most):
            break
        slot = str(index)
        if index in completed or slot in observed.active:
            continue
        before = observed.finished.get(slot)
        if before is not None:
            due = _due_in(before, observed.failures.get(slot, 0), now)
            if due > 0:
                recheck = _sooner(recheck, due)
                continue
            if not _has_logs(before):
                forget.append(before)
        wants.append(Want(slot, observed.attempts.get(slot, 0) + 1))
    return wants, forget, recheck, len(wants) == most


def _has_logs(assignment: Assignment) -> bool:
    """Whether it ended badly after it ran: what it wrote says why."""
    return failed(assignment) and not was_refused(assignment)


def _due_in(before: Assignment, failures: int, now: float) -> float:
    """Seconds until a failed attempt may be followed by the next: 1 s, 2 s, 4 s … a minute."""
    if not failed(before):
        return 0.0
    return ended_at(before) + BACKOFF.after(failures) - now


def _sooner(one: float | None, other: float | None) -> float | None:
    given = [seconds for seconds in (one, other) if seconds is not None]
    return max(min(given), 0.0) if given else None


def describe(assignment: Assignment) -> str:
    """How an attempt ended, for a person."""
    status = assignment.status
    how = status.message or (f"exit code {status.exit_code}" if status.exit_code is not None else status.phase)
    return f"{assignment.name} on {assignment.spec.server}: {status.reason or status.phase}: {how}"
