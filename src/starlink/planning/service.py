"""A Service: which slots it should have, and the one next step of a replacement."""

from collections.abc import Callable

from starlink.api.assignment import Assignment
from starlink.planning.decision import Decision, Want
from starlink.planning.health import Health
from starlink.planning.observed import Observed, ended_at, failed, ready_now

MAX_WANTS = 1_000
BACKOFF_FIRST = 10.0
BACKOFF_MOST = 300.0

MustMove = Callable[[Assignment], str]
"""Why an assignment must leave its server, "" when it need not."""


def decide(observed: Observed, revision: str, health: Health, must_move: MustMove, now: float) -> Decision:
    """What to stop, and which slots want a server."""
    task = observed.task
    desired = 0 if task.spec.suspend or task.metadata.deleting else task.replicas
    ready = ready_now(health)
    kept = _kept(observed, desired, ready)
    slots, more = _slots(observed, kept, desired)
    surplus = [a for slot, a in observed.live.items() if slot not in slots]
    wants, forget, recheck = _next_attempts(observed, slots, revision, health, now)
    replaced, updating = _replace_one(observed, slots, revision, ready, must_move, bool(wants or recheck))
    reason = "Suspended" if task.spec.suspend else "ScaledDown"
    stale = [a for slot, a in observed.finished.items() if slot not in slots]
    return Decision(
        remove=(*((a, reason) for a in _highest_first(surplus)), *replaced),
        forget=(*forget, *stale, *observed.superseded),
        wants=tuple(wants),
        failures=_failures(observed, slots, ready),
        more=more,
        updating=updating,
        recheck_after=recheck,
    )


def _kept(observed: Observed, desired: int, ready: Callable[[Assignment], bool]) -> list[str]:
    """The live slots to keep: scaling down takes unready ones first, then the highest."""
    live = observed.live
    order = sorted(live, key=lambda slot: (not ready(live[slot]), int(slot)))
    return order[:desired]


def _slots(observed: Observed, kept: list[str], desired: int) -> tuple[frozenset[str], bool]:
    """The slots that the task should have: those kept and the lowest others; at most MAX_WANTS others at once."""
    missing = min(desired - len(kept), MAX_WANTS)
    slots, taken = set(kept), set(observed.live)
    index = 0
    for _ in range(missing):
        while str(index) in taken:
            index += 1
        slots.add(str(index))
        taken.add(str(index))
    return frozenset(slots), desired - len(kept) > missing


def _next_attempts(
    observed: Observed, slots: frozenset[str], revision: str, health: Health, now: float
) -> tuple[list[Want], list[Assignment], float | None]:
    """Slots to fill now, the finished attempts that make way, and when the next one is due."""
    wants: list[Want] = []
    forget: list[Assignment] = []
    recheck: float | None = None
    for slot in sorted(slots - observed.active.keys(), key=int):
        before = observed.finished.get(slot)
        if before is not None:
            due = 0.0 if before.revision != revision else _due_in(before, observed.failures.get(slot, 0), now)
            if due > 0 and not health.is_gone(before.spec.server):
                recheck = due if recheck is None else min(recheck, due)
                continue
            forget.append(before)
        wants.append(Want(slot, observed.attempts.get(slot, 0) + 1))
    return wants, forget, recheck


def _due_in(before: Assignment, failures: int, now: float) -> float:
    """Seconds until a failed attempt may be followed by the next: 10 s, 20 s, 40 s … 5 minutes."""
    if not failed(before) and before.status.phase == "Stopped":
        return 0.0
    return ended_at(before) + min(BACKOFF_FIRST * 2.0 ** max(failures - 1, 0), BACKOFF_MOST) - now


def _replace_one(
    observed: Observed,
    slots: frozenset[str],
    revision: str,
    ready: Callable[[Assignment], bool],
    must_move: MustMove,
    unfilled: bool,
) -> tuple[list[tuple[Assignment, str]], str]:
    """At most one instance to replace: a leaving server or a taint goes before a changed template.

    Unready outdated ones go first, then the highest slot; only while nothing else of the task is under way.
    """
    live = {slot: a for slot, a in observed.live.items() if slot in slots}
    moving = {slot: why for slot, a in live.items() if (why := must_move(a))}
    outdated = [slot for slot, a in live.items() if a.revision != revision and slot not in moving]
    stopping = len(observed.active) - len(observed.live)
    starting = [slot for slot, a in live.items() if not ready(a) and slot not in moving and slot not in outdated]
    updating = (
        f"{len(outdated) + len(moving)} of {len(slots)} instances are to be replaced" if outdated or moving else ""
    )
    if stopping or starting or not (outdated or moving):
        return [], updating
    if moving:
        slot = _first(list(moving), live, ready)
        return [(live[slot], moving[slot])], updating
    slot = _first(outdated, live, ready)
    if unfilled and ready(live[slot]):
        return [], updating
    return [(live[slot], "Outdated")], updating


def _first(slots: list[str], live: dict[str, Assignment], ready: Callable[[Assignment], bool]) -> str:
    return min(slots, key=lambda slot: (ready(live[slot]), -int(slot)))


def _failures(observed: Observed, slots: frozenset[str], ready: Callable[[Assignment], bool]) -> dict[str, int]:
    """Failures in a row, a slot; forgotten once an attempt is ready."""
    well = {slot for slot, assignment in observed.active.items() if ready(assignment)}
    return {slot: count for slot, count in observed.failures.items() if slot not in well and slot in slots}


def _highest_first(assignments: list[Assignment]) -> list[Assignment]:
    return sorted(assignments, key=lambda a: -int(a.spec.slot))
