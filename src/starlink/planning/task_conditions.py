"""A task's conditions: what is so, what is under way, and what stands in the way."""

from __future__ import annotations

from collections.abc import Sequence

from starlink.api import conditions
from starlink.api.assignment import LARGEST_RESULT, Assignment
from starlink.api.meta import Condition
from starlink.planning.batch import describe
from starlink.planning.facts import Facts
from starlink.planning.reasons import Phase, Unplaced, Verdict
from starlink.planning.results import MOST
from starlink.planning.telling import in_words, problem
from starlink.planning.unreadable import UNREADABLE, told, unclear
from starlink.planning.words import counted, is_or_are, share

CRASH_LOOP = "CrashLoop"
"""The reason of Ready and Stalled where an instance ends again and again."""
INSTANCE_FAILURE = "InstanceFailure"
"""The condition that says how an instance fails, whatever else stands in the way."""
RESULTS_LEFT_OUT = "ResultsLeftOut"
"""The condition that says that not all that drivers have found is in the status."""
WAITING = "Waiting"
"""The reason of Ready and Scheduled where others are about to stop for those that have no server."""


def task_conditions(facts: Facts) -> tuple[Condition, ...]:
    """Its conditions as of now, in the order in which they are told."""
    ready = _batch_ready(facts) if facts.task.is_batch else _service_ready(facts)
    verdict = facts.examined.decision.verdict
    stalled = _stalled(facts, ready)
    over = ready.status == "True" or ready.reason == "Suspended" or verdict is not None
    working = not over and stalled is None
    common = (
        ready,
        condition("Reconciling", working, ready.reason if working else "Settled", ready.message if working else ""),
        stalled or Condition(type="Stalled", status="False", reason="NotStalled"),
        _scheduled(facts),
        *_results_left_out(facts),
    )
    if facts.task.is_batch:
        return (*common, *_outcome(verdict))
    serves = facts.ready > 0
    message = f"{counted(facts.ready, 'instance')} {is_or_are(facts.ready)} ready" if serves else "no instance is ready"
    available = condition("Available", serves, "InstancesReady" if serves else "NoneReady", message)
    return (*common, available, *_instance_failure(facts))


def condition(type_: str, truth: bool, reason: str, message: str) -> Condition:
    """One that is True or False."""
    return Condition(type=type_, status="True" if truth else "False", reason=reason, message=message)


def _service_ready(facts: Facts) -> Condition:
    def not_ready(reason: str, message: str) -> Condition:
        return condition("Ready", False, reason, message)

    tally, updating = f"{share(facts.ready, facts.desired, 'instance')} ready", facts.examined.decision.updating
    if facts.task.metadata.deleting:
        return not_ready("Terminating", "the task is being deleted")
    if facts.task.spec.suspend:
        return not_ready("Suspended", "spec.suspend is true; set it to false to start the task again")
    if facts.unplaced:
        return _without_server(facts, facts.unplaced, tally, _refused(facts))
    if facts.unclear:
        return not_ready(UNREADABLE, f"{tally}; {_unclear(facts.unclear)}")
    if facts.braked:
        servers = f"server{'s' if facts.braked[1:] else ''} {', '.join(facts.braked[:5])}"
        return not_ready("StormBrake", f"{tally}; {servers} fell silent with most of their pool")
    if facts.settled:
        return condition("Ready", True, "AllReady", tally)
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


def _without_server(facts: Facts, unplaced: Unplaced, tally: str, lead: str = "") -> Condition:
    """The condition Ready, which names what stands in the way. What would help, and what the instances wait for, stands
    in the condition Scheduled."""
    updating = _also(facts.examined.decision.updating)
    if unplaced.only_waits:
        return condition("Ready", False, WAITING, f"{tally}; {problem(unplaced)}{updating}")
    return condition("Ready", False, "Unplaceable", f"{tally}; {lead}{problem(unplaced)}{updating}")


def _refused(facts: Facts) -> str:
    """How many have no place, and of how many, where not all that are missing have been looked at."""
    decision = facts.examined.decision
    if decision.renewal is not None:
        return ""
    unplaced = f"{facts.without_server} of the next {facts.wants}" if decision.more else str(facts.without_server)
    return f"{unplaced} can't be placed: "


def _crash(facts: Facts) -> str:
    return CRASH_LOOP if any(a.status.restarts > 1 for a in facts.crashing) else "Crashed"


def _crashed(a: Assignment) -> str:
    status = a.status
    code = f"exit code {status.exit_code}" if status.exit_code is not None else status.signal
    last = f", last after {code}" if code else ""
    if status.exit_code == 0:
        last += "; a Service is to go on: what comes to its end is a Batch (spec.type)"
    return f"{a.name} on {a.spec.server} was started again {counted(status.restarts, 'time')}{last}"


def _instance_failure(facts: Facts) -> tuple[Condition, ...]:
    """How one of its instances fails; told as long as one does, and once that it is over."""
    if facts.troubled:
        a = facts.troubled[0]
        told = describe(a) if a.finished else _crashed(a)
        return (condition(INSTANCE_FAILURE, True, a.status.reason or "ProcessExited", told),)
    known = conditions.find(facts.task.status.conditions, INSTANCE_FAILURE)
    return (condition(INSTANCE_FAILURE, False, "NoFailure", ""),) if known is not None else ()


def _also(updating: str) -> str:
    return f"; {updating}" if updating else ""


def _starting(facts: Facts) -> str:
    """What the first unready instance is at."""
    unready = [a for a in facts.examined.observed.live.values() if not a.status.ready]
    return f"; {_at(unready[0])}" if unready else ""


def _at(a: Assignment) -> str:
    told = ": ".join(part for part in (a.status.reason, a.status.message) if part)
    return f"{a.name} on {a.spec.server} is {a.status.phase}{f' ({told})' if told else ''}"


def _batch_ready(facts: Facts) -> Condition:
    tally = f"{share(facts.completed, facts.desired, 'completion')} done"
    verdict = facts.examined.decision.verdict
    if verdict is not None:
        return condition("Ready", verdict.phase == "Complete", verdict.reason, verdict.message)
    if facts.task.spec.suspend:
        return condition("Ready", False, "Suspended", "spec.suspend is true; set it to false to go on")
    if facts.unplaced and not facts.live:
        return _without_server(facts, facts.unplaced, tally)
    if facts.unclear:
        return condition("Ready", False, UNREADABLE, f"{tally}; {_unclear(facts.unclear)}")
    if facts.failing:
        return condition("Ready", False, "AttemptsFail", f"{tally}; {describe(facts.failing[-1])}")
    told = f"{tally}, {facts.live} {is_or_are(facts.live)} running{_also(facts.examined.decision.updating)}"
    return condition("Ready", False, "Running", told)


def _outcome(verdict: Verdict | None) -> tuple[Condition, ...]:
    def of(phase: Phase, otherwise: str) -> Condition:
        if verdict is None or verdict.phase != phase:
            return condition(phase, False, otherwise, "")
        return condition(phase, True, verdict.reason, verdict.message)

    return of("Complete", "NotComplete"), of("Failed", "NotFailed")


def _stalled(facts: Facts, ready: Condition) -> Condition | None:
    """Whether only a change from outside can help."""
    verdict = facts.examined.decision.verdict
    if verdict is not None and verdict.phase == "Failed":
        return condition("Stalled", True, verdict.reason, verdict.message)
    if ready.reason == "Unplaceable":
        told = "what is wanted can't be placed; the condition Scheduled says why, and what would help"
        return condition("Stalled", True, ready.reason, told)
    if ready.reason in ("AttemptsFail", "StormBrake", CRASH_LOOP, UNREADABLE):
        return condition("Stalled", True, ready.reason, ready.message)
    if facts.troubled and facts.updated < facts.live:
        told = "one of the changed template fails, and no more are replaced; the condition InstanceFailure says how"
        return condition("Stalled", True, "ReplacementFails", told)
    return None


def _results_left_out(facts: Facts) -> tuple[Condition, ...]:
    """That not all that its drivers have found is told; told as long as it is so, and once that it is over."""
    told, left_out = len(facts.results.told), facts.results.left_out
    if left_out:
        why = (
            f"{told} of {told + left_out} results are told, for a status takes {MOST // 1024} KiB of them, the first "
            f"slots before the later, and none above {LARGEST_RESULT // 1024} KiB; the Assignments have theirs"
        )
        return (condition(RESULTS_LEFT_OUT, True, "TooLarge", why),)
    known = conditions.find(facts.task.status.conditions, RESULTS_LEFT_OUT)
    return (condition(RESULTS_LEFT_OUT, False, "AllTold", ""),) if known is not None else ()


def _scheduled(facts: Facts) -> Condition:
    if facts.unplaced:
        first = f"of {facts.desired} instances only the next {facts.wants} are looked at: "
        told = f"{first if facts.examined.decision.more else ''}{in_words(facts.unplaced)}"
        return condition("Scheduled", False, WAITING if facts.unplaced.only_waits else "Unplaceable", told)
    return condition("Scheduled", True, "AllPlaced", "every instance that is wanted now has a server")
