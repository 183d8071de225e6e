"""A gang goes as it comes: all of it or nothing."""

from collections.abc import Mapping

from starlink.api.assignment import Assignment
from starlink.planning.decision import Renewal, Want
from starlink.planning.health import Health
from starlink.planning.observed import PREEMPTED, Observed, was_preempted
from starlink.planning.reasons import Because
from starlink.planning.replacements import OUTDATED, Change, Due, MustMove, due


def changes(observed: Observed, slots: frozenset[str], revision: str, health: Health, must_move: MustMove) -> Change:
    """The next step of a gang. Of one that is outdated or has to leave, be it in part, all goes at once when all of it
    as it would be fits, and nothing before; for part of a gang is no gang, that is the least that goes, whatever
    `update.maxUnavailable` is. Where some go already, the others follow, so that whoever leads next ends what was
    begun; and nothing is placed before all have stopped."""
    live = {slot: a for slot, a in observed.live.items() if slot in slots}
    found = due(live, revision, must_move)
    unclear = {a.uid for a in observed.unclear}
    going = {slot: a for slot, a in observed.active.items() if slot in slots and a.stopping and a.uid not in unclear}
    if why := _begun(observed, slots, going, revision, must_move):
        return Change(_all_of(live, why), _TOLD if live else "", waits=bool(going or live))
    if not found or going:
        return Change(updating=_TOLD if found else "", waits=bool(going))
    if unclear:
        return Change(updating=f"{_TOLD}, and waits for what can't be read", waits=True)
    if silent := sorted({a.spec.server for a in live.values() if health.is_suspect(a.spec.server)}):
        return Change(updating=f"{_TOLD}, and waits for {', '.join(silent[:5])}: silent", waits=True)
    return Change(updating=_TOLD, renewal=_renewal(observed, slots, live, found), waits=True)


_TOLD = "the gang is to be replaced, all of it at once"


def is_going(observed: Observed) -> bool:
    """Whether some of a task are stopping: of a gang nothing is placed before they have."""
    return any(a.stopping for a in observed.active.values())


def to_follow(observed: Observed) -> tuple[Because, ...]:
    """Those who go because others of their gang make room."""
    preempted = any(a.spec.reason == PREEMPTED for a in observed.active.values() if a.stopping)
    return tuple(Because(a, PREEMPTED) for a in observed.live.values()) if preempted else ()


def _begun(
    observed: Observed,
    slots: frozenset[str],
    going: Mapping[str, Assignment],
    revision: str,
    must_move: MustMove,
) -> str:
    """Why some of it were made to go; "" if nobody was."""
    last = (a for slot, a in observed.finished.items() if slot in slots and slot not in observed.active)
    if any(map(was_preempted, (*going.values(), *last))):
        return PREEMPTED
    reasons = (must_move(a) or (OUTDATED if a.revision != revision else "") for a in going.values())
    return next(filter(None, reasons), "")


def _all_of(live: Mapping[str, Assignment], why: str) -> tuple[Because, ...]:
    return tuple(Because(a, why) for a in live.values())


def _renewal(observed: Observed, slots: frozenset[str], live: Mapping[str, Assignment], found: Due) -> Renewal:
    fixed = observed.task.fixed_slots
    wants = (Want(slot, observed.attempts.get(slot, 0) + 1, fixed.get(slot, "")) for slot in sorted(slots))
    return Renewal(_all_of(live, min(found.moving.values(), default=OUTDATED)), tuple(wants))
