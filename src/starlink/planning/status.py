"""A task's status: what is so, what is under way, and what stands in the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from starlink.api import conditions, labels, slots
from starlink.api.assignment import Assignment
from starlink.api.meta import Condition
from starlink.api.timestamp import format_time, told_time
from starlink.planning.batch import describe, suspended_for
from starlink.planning.health import Health
from starlink.planning.observed import failed, ready_now
from starlink.planning.replacements import troubled
from starlink.planning.slots import remembered_slots
from starlink.planning.unreadable import UNREADABLE, told, unclear
from starlink.planning.words import counted, is_or_are, share

if TYPE_CHECKING:
    from starlink.api.task import Task
    from starlink.planning.task import Examined, Placement

Truth = Literal["True", "False", "Unknown"]
INVALID_SPEC = "InvalidSpec"
"""The reason of Ready and Stalled where a spec has what can't be used."""
CRASH_LOOP = "CrashLoop"
"""The reason of Ready and Stalled where an instance ends again and again."""
INSTANCE_FAILURE = "InstanceFailure"
"""The condition that says how an instance fails, whatever else stands in the way."""
WAITING = "Waiting"
"""The reason of Ready and Scheduled where others are about to stop for those that have no server."""


def task_status(examined: Examined, placement: Placement, health: Health, now: float) -> dict[str, Any]:
    """The fields of status that changed; empty when none did."""
    facts = _Facts(examined, placement, health)
    task = examined.task
    of_now = conditions.of_generation(_conditions(facts), task.metadata.generation)
    told = conditions.merge((), of_now, now=format_time(now))
    kept = conditions.merge(task.status.conditions, told, now=format_time(now))
    wanted: dict[str, Any] = {
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
        **({"artifact": msgspec.to_builtins(examined.finding)} if examined.finding else {}),
        **(_batch(facts, now) if task.is_batch else {}),
    }
    old = _present(examined)
    first = () if task.status.phase else _COUNTED
    changed = {name: value for name, value in wanted.items() if old.get(name) != value or name in first}
    if kept != task.status.conditions:
        changed["conditions"] = [conditions.entry(condition) for condition in kept]
    return changed


_COUNTED = frozenset({"desired", "ready", "succeeded"})
"""What `kubectl get` shows: told at first also where it is 0, for what is absent is shown as nothing."""


def invalid_status(task: Task, why: str, now: float) -> dict[str, Any]:
    """The fields of status that changed, for a task whose spec can't be used."""
    found = (
        _condition("Ready", False, INVALID_SPEC, why),
        _condition("Reconciling", False, INVALID_SPEC, ""),
        _condition("Stalled", True, INVALID_SPEC, why),
        _condition("Scheduled", False, INVALID_SPEC, why),
    )
    of_now = conditions.of_generation(found, task.metadata.generation)
    kept = conditions.merge(task.status.conditions, of_now, now=format_time(now))
    changed: dict[str, Any] = {}
    if task.status.observed_generation != task.metadata.generation:
        changed["observedGeneration"] = task.metadata.generation
    if not task.status.phase:
        changed["phase"] = "Pending"
    if kept != task.status.conditions:
        changed["conditions"] = [conditions.entry(condition) for condition in kept]
    return changed


class _Facts:
    """The numbers that the status is made of."""

    def __init__(self, examined: Examined, placement: Placement, health: Health) -> None:
        task, observed = examined.task, examined.observed
        ready = ready_now(health)
        self.examined = examined
        self.task = task
        self.refusal = placement.refusal
        self.waits = bool(placement.refusal) and placement.refusal == placement.waiting
        self.problem = placement.refusal.removeprefix(f"{placement.waiting}; ").partition("; ")[0]
        self.wants = len(examined.decision.wants)
        self.unplaced = len(examined.decision.wants) - sum(1 for server in placement.servers if server)
        self.live = len(observed.live)
        self.ready = sum(1 for a in observed.live.values() if ready(a))
        self.available = sum(1 for a in observed.live.values() if observed.standing.is_available(a))
        self.crashing = [a for a in observed.live.values() if observed.standing.crashes(a)]
        self.troubled = troubled(observed)
        self.updated = sum(1 for a in observed.live.values() if a.revision == examined.revision)
        self.unclear = observed.unclear
        self.stopping = sum(1 for a in observed.active.values() if a.stopping and a not in observed.unclear)
        self.braked = sorted({a.spec.server for a in observed.live.values() if a.spec.server in health.braked})
        self.failing = [a for slot, a in observed.finished.items() if failed(a) and slot not in observed.active]
        self.failures = examined.decision.failures
        self.completed = len(examined.decision.completed)
        self.desired = task.completions if task.is_batch else 0 if task.spec.suspend else task.replicas

    @property
    def settled(self) -> bool:
        """Whether a Service is as declared."""
        return (
            self.ready == self.live == self.desired
            and self.updated == self.live
            and not (self.stopping or self.crashing or self.unclear or self.examined.decision.updating)
        )


def _phase(facts: _Facts) -> str:
    task = facts.task
    if task.metadata.deleting:
        return "Terminating"
    verdict = facts.examined.decision.verdict
    if verdict is not None:
        return verdict[0]
    if task.spec.suspend:
        return "Suspended"
    if task.is_batch:
        return "Running" if facts.live else "Pending"
    if facts.ready >= facts.desired and not facts.crashing:
        return "Running"
    return "Degraded" if facts.ready else "Pending"


def _conditions(facts: _Facts) -> tuple[Condition, ...]:
    ready = _batch_ready(facts) if facts.task.is_batch else _service_ready(facts)
    verdict = facts.examined.decision.verdict
    stalled = _stalled(facts, ready)
    over = ready.status == "True" or ready.reason == "Suspended" or verdict is not None
    working = not over and stalled is None
    common = (
        ready,
        _condition("Reconciling", working, ready.reason if working else "Settled", ready.message if working else ""),
        stalled or Condition(type="Stalled", status="False", reason="NotStalled"),
        _scheduled(facts),
    )
    if facts.task.is_batch:
        return (*common, *_outcome(verdict))
    serves = facts.ready > 0
    message = f"{counted(facts.ready, 'instance')} {is_or_are(facts.ready)} ready" if serves else "no instance is ready"
    available = _condition("Available", serves, "InstancesReady" if serves else "NoneReady", message)
    return (*common, available, *_instance_failure(facts))


def _condition(type_: str, truth: bool, reason: str, message: str) -> Condition:
    return Condition(type=type_, status="True" if truth else "False", reason=reason, message=message)


def _service_ready(facts: _Facts) -> Condition:
    def not_ready(reason: str, message: str) -> Condition:
        return _condition("Ready", False, reason, message)

    tally, updating = f"{share(facts.ready, facts.desired, 'instance')} ready", facts.examined.decision.updating
    if facts.task.metadata.deleting:
        return not_ready("Terminating", "the task is being deleted")
    if facts.task.spec.suspend:
        return not_ready("Suspended", "spec.suspend is true; set it to false to start the task again")
    if facts.refusal:
        return _without_server(facts, tally, _refused(facts))
    if facts.unclear:
        return not_ready(UNREADABLE, f"{tally}; {_unclear(facts.unclear)}")
    if facts.braked:
        servers = f"server{'s' if facts.braked[1:] else ''} {', '.join(facts.braked[:5])}"
        return not_ready("StormBrake", f"{tally}; {servers} fell silent with most of their pool")
    if facts.settled:
        return _condition("Ready", True, "AllReady", tally)
    if facts.crashing:
        return not_ready(_crash(facts), f"{tally}; {_crashed(facts.crashing[0])}{_also(updating)}")
    if facts.failing:
        return not_ready("AttemptsFail", f"{tally}; {describe(facts.failing[-1])}{_also(updating)}")
    if updating:
        return not_ready("Updating", f"{tally}; {updating}")
    if facts.live > facts.desired or facts.stopping:
        stopping = facts.stopping + max(facts.live - facts.desired, 0)
        return not_ready("Stopping", f"{tally}; {stopping} {is_or_are(stopping)} stopping")
    return not_ready("Starting", f"{tally}{_starting(facts)}")


def _unclear(assignments: Sequence[Assignment]) -> str:
    """What can't be read of the first, and how many more there are."""
    first, more = assignments[0], len(assignments) - 1
    also = f", and {more} more can't be read" if more else ""
    return f"{first.name} on {first.spec.server or 'a server that can not be read'}{also}: {told(unclear(first))}"


def _without_server(facts: _Facts, tally: str, lead: str = "") -> Condition:
    """Ready says what stands in the way; what would help, and for whom who waits, the condition Scheduled says."""
    updating = _also(facts.examined.decision.updating)
    if facts.waits:
        return _condition("Ready", False, WAITING, f"{tally}; {facts.problem.partition(': ')[0]}{updating}")
    return _condition("Ready", False, "Unplaceable", f"{tally}; {lead}{facts.problem}{updating}")


def _refused(facts: _Facts) -> str:
    """How many have no place, and of how many, where not all that are missing have been looked at."""
    decision = facts.examined.decision
    if decision.renewal is not None:
        return ""
    unplaced = f"{facts.unplaced} of the next {facts.wants}" if decision.more else str(facts.unplaced)
    return f"{unplaced} can't be placed: "


def _crash(facts: _Facts) -> str:
    return CRASH_LOOP if any(a.status.restarts > 1 for a in facts.crashing) else "Crashed"


def _crashed(a: Assignment) -> str:
    status = a.status
    code = f"exit code {status.exit_code}" if status.exit_code is not None else status.signal
    last = f", last after {code}" if code else ""
    return f"{a.name} on {a.spec.server} was started again {counted(status.restarts, 'time')}{last}"


def _instance_failure(facts: _Facts) -> tuple[Condition, ...]:
    """How one of its instances fails; told as long as one does, and once that it is over."""
    if facts.troubled:
        a = facts.troubled[0]
        told = describe(a) if a.finished else _crashed(a)
        return (_condition(INSTANCE_FAILURE, True, a.status.reason or "ProcessExited", told),)
    known = conditions.find(facts.task.status.conditions, INSTANCE_FAILURE)
    return (_condition(INSTANCE_FAILURE, False, "NoFailure", ""),) if known is not None else ()


def _also(updating: str) -> str:
    return f"; {updating}" if updating else ""


def _starting(facts: _Facts) -> str:
    """What the first unready instance is at."""
    unready = [a for a in facts.examined.observed.live.values() if not a.status.ready]
    return f"; {_at(unready[0])}" if unready else ""


def _at(a: Assignment) -> str:
    told = ": ".join(part for part in (a.status.reason, a.status.message) if part)
    return f"{a.name} on {a.spec.server} is {a.status.phase}{f' ({told})' if told else ''}"


def _batch_ready(facts: _Facts) -> Condition:
    tally = f"{share(facts.completed, facts.desired, 'completion')} done"
    verdict = facts.examined.decision.verdict
    if verdict is not None:
        return _condition("Ready", verdict[0] == "Complete", verdict[1], verdict[2])
    if facts.task.spec.suspend:
        return _condition("Ready", False, "Suspended", "spec.suspend is true; set it to false to go on")
    if facts.refusal and not facts.live:
        return _without_server(facts, tally)
    if facts.unclear:
        return _condition("Ready", False, UNREADABLE, f"{tally}; {_unclear(facts.unclear)}")
    if facts.failing:
        return _condition("Ready", False, "AttemptsFail", f"{tally}; {describe(facts.failing[-1])}")
    return _condition("Ready", False, "Running", f"{tally}, {facts.live} {is_or_are(facts.live)} running")


def _outcome(verdict: tuple[str, str, str] | None) -> tuple[Condition, ...]:
    word, reason, message = verdict or ("", "Running", "")
    complete = _condition("Complete", word == "Complete", reason if word == "Complete" else "Running", message)
    bad = _condition("Failed", word == "Failed", reason if word == "Failed" else "NotFailed", message)
    return (
        complete if word == "Complete" else _condition("Complete", False, "NotComplete", ""),
        bad if word == "Failed" else _condition("Failed", False, "NotFailed", ""),
    )


def _stalled(facts: _Facts, ready: Condition) -> Condition | None:
    """Whether only a change from outside can help."""
    verdict = facts.examined.decision.verdict
    if verdict is not None and verdict[0] == "Failed":
        return _condition("Stalled", True, verdict[1], verdict[2])
    if ready.reason == "Unplaceable":
        told = "what is wanted can't be placed; the condition Scheduled says why, and what would help"
        return _condition("Stalled", True, ready.reason, told)
    if ready.reason in ("AttemptsFail", "StormBrake", CRASH_LOOP, UNREADABLE):
        return _condition("Stalled", True, ready.reason, ready.message)
    if facts.troubled and facts.updated < facts.live:
        told = "one of the changed template fails, and no more are replaced; the condition InstanceFailure says how"
        return _condition("Stalled", True, "ReplacementFails", told)
    return None


def _scheduled(facts: _Facts) -> Condition:
    if facts.refusal:
        first = f"of {facts.desired} instances only the next {facts.wants} are looked at: "
        told = f"{first if facts.examined.decision.more else ''}{facts.refusal}"
        return _condition("Scheduled", False, WAITING if facts.waits else "Unplaceable", told)
    return _condition("Scheduled", True, "AllPlaced", "every instance that is wanted now has a server")


def _batch(facts: _Facts, now: float) -> dict[str, Any]:
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


def _present(examined: Examined) -> dict[str, Any]:
    """The status as it is, in the same words."""
    status = examined.task.status
    return {
        "observedGeneration": status.observed_generation,
        "phase": status.phase,
        "desired": status.desired,
        "replicas": status.replicas,
        "ready": status.ready,
        "available": status.available,
        "updated": status.updated,
        "revision": status.revision,
        "selector": status.selector,
        "succeeded": status.succeeded,
        "failed": status.failed,
        "startedAt": status.started_at,
        "finishedAt": status.finished_at,
        "suspendedAt": status.suspended_at,
        "suspendedSeconds": status.suspended_seconds,
        "completedSlots": status.completed_slots,
        "artifact": msgspec.to_builtins(status.artifact) if status.artifact else None,
        "slots": [{"slot": s.slot, "attempts": s.attempts, "failures": s.failures} for s in status.slots],
    }
