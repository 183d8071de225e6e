"""A Service: which slots it should have, and which of them want a server."""

from collections.abc import Callable
from itertools import chain, count, islice

from starlink.api.assignment import Assignment
from starlink.api.slots import FixedSlots, order
from starlink.api.task import Task
from starlink.backoff import Pauses
from starlink.planning import gang
from starlink.planning.decision import Decision, Want
from starlink.planning.health import Health
from starlink.planning.observed import Observed, ended_at, failed, ready_now, was_preempted
from starlink.planning.reasons import Because
from starlink.planning.replacements import MustMove, replacements

MAX_WANTS = 1_000
MAX_GANG = 10_000
"""A gang is wanted whole; the CRD allows no larger one."""
BACKOFF = Pauses(10.0, 300.0)


def decide(observed: Observed, revision: str, health: Health, must_move: MustMove, now: float) -> Decision:
    """What to stop, and which slots want a server."""
    task = observed.task
    desired = 0 if task.spec.suspend or task.metadata.deleting else task.replicas
    ready = ready_now(health)
    slots, more = _slots(observed, desired, health, ready)
    surplus = [a for slot, a in observed.live.items() if slot not in slots]
    wants, forget, recheck = _next_attempts(observed, slots, revision, health, now)
    if task.spec.placement.gang:
        change = gang.changes(observed, slots, revision, health, must_move)
    else:
        change = replacements(observed, slots, revision, health, must_move, desired)
    if change.waits:
        wants, forget = [], []
    after = [left for a in observed.live.values() if (left := observed.standing.recheck_after(a)) is not None]
    reason = "Suspended" if task.spec.suspend else "ScaledDown"
    stale = [a for slot, a in observed.finished.items() if slot not in slots]
    return Decision(
        remove=(*(Because(a, reason) for a in _highest_first(surplus)), *change.remove),
        forget=(*forget, *stale, *observed.superseded),
        wants=tuple(wants),
        failures=_failures(observed, slots),
        more=more,
        updating=change.updating,
        renewal=change.renewal,
        recheck_after=min((*after, *(() if recheck is None else (recheck,))), default=None),
    )


def most_wants(task: Task) -> int:
    """How many slots are wanted at once, so that a round stays short."""
    return MAX_GANG if task.spec.placement.gang else MAX_WANTS


def _kept(observed: Observed, desired: int, ready: Callable[[Assignment], bool]) -> list[str]:
    """The slots to keep: those of instances that can't be read, and of live ones, where scaling down takes unready ones
    first, then the highest."""
    live, unclear = observed.live, [a.spec.slot for a in observed.unclear]
    first_kept = sorted(live, key=lambda slot: (not ready(live[slot]), order(slot)))
    return [*unclear, *first_kept[: max(desired - len(unclear), 0)]]


def _slots(
    observed: Observed, desired: int, health: Health, ready: Callable[[Assignment], bool]
) -> tuple[frozenset[str], bool]:
    """The slots that the task should have, and whether there are more than can be wanted at once."""
    if desired and observed.task.spec.servers:
        return _fixed(observed, health)
    return _counted(observed, _kept(observed, desired, ready), desired)


def _fixed(observed: Observed, health: Health) -> tuple[frozenset[str], bool]:
    """The slots of fixed counts; at most `most_wants` that are not live, those of silent servers last."""
    counts = [(server.name, server.replicas) for server in observed.task.spec.servers]
    fixed = FixedSlots(sorted(counts, key=lambda count: health.is_suspect(count[0]) or health.is_gone(count[0])))
    kept = {slot for slot in observed.live if slot in fixed}
    missing = len(fixed) - len(kept)
    chosen = list(islice((slot for slot in fixed if slot not in kept), min(missing, most_wants(observed.task))))
    return frozenset({*kept, *chosen}), missing > len(chosen)


def _counted(observed: Observed, kept: list[str], desired: int) -> tuple[frozenset[str], bool]:
    """Those kept and others, which are first those of lost attempts, for these may come back, and then the lowest; at
    most `most_wants` others at once."""
    missing = max(min(desired - len(kept), most_wants(observed.task)), 0)
    taken = {*kept, *observed.live}
    lost = sorted({a.spec.slot for a in observed.lost if not a.stopping} - taken, key=order)
    lowest = (slot for number in count() if (slot := str(number)) not in taken and slot not in lost)
    return frozenset({*kept, *islice(chain(lost, lowest), missing)}), desired - len(kept) > missing


def _next_attempts(
    observed: Observed, slots: frozenset[str], revision: str, health: Health, now: float
) -> tuple[list[Want], list[Assignment], float | None]:
    """Slots to fill now, the finished attempts that make way, and when the next one is due."""
    fixed = observed.task.fixed_slots
    wants: list[Want] = []
    forget: list[Assignment] = []
    recheck: float | None = None
    for slot in sorted(slots - observed.active.keys(), key=order):
        before = observed.finished.get(slot)
        if before is not None:
            due = 0.0 if before.revision != revision else _due_in(before, observed.failures.get(slot, 0), now)
            if due > 0 and not health.is_gone(before.spec.server):
                recheck = due if recheck is None else min(recheck, due)
                continue
            forget.append(before)
        wants.append(Want(slot, observed.attempts.get(slot, 0) + 1, fixed.get(slot, "")))
    return wants, forget, recheck


def _due_in(before: Assignment, failures: int, now: float) -> float:
    """Seconds until a failed attempt may be followed by the next: 10 s, 20 s, 40 s … 5 minutes."""
    if was_preempted(before) or (not failed(before) and before.status.phase == "Stopped"):
        return 0.0
    return ended_at(before) + BACKOFF.after(failures) - now


def _failures(observed: Observed, slots: frozenset[str]) -> dict[str, int]:
    """Failures in a row, a slot; forgotten once an attempt is available."""
    well = {slot for slot, assignment in observed.active.items() if observed.standing.is_available(assignment)}
    return {slot: count for slot, count in observed.failures.items() if slot not in well and slot in slots}


def _highest_first(assignments: list[Assignment]) -> list[Assignment]:
    return sorted(assignments, key=lambda a: order(a.spec.slot), reverse=True)
