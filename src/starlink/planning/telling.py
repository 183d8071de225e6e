"""The words for what has no place, in conditions, in Events and on a terminal. Pure."""

from collections.abc import Iterable, Sequence

from starlink.planning.reasons import GangStays, Hold, Protected, Unplaced
from starlink.planning.words import counted, is_or_are

_MOST_NAMED = 5
_MOST_TASKS = 3
_LONGEST = 1_000


def in_words(unplaced: Unplaced) -> str:
    """All that is to be said, and what would help."""
    parts = [_hold(unplaced.hold)] if unplaced.hold else []
    parts += [_gang(unplaced.gang) + _each(refusal.message for refusal in unplaced.refusals)[:_LONGEST]]
    parts += [_each(map(_protected, unplaced.protected))]
    return "; ".join(filter(None, parts))


def problem(unplaced: Unplaced) -> str:
    """What stands in the way of the first, in brief: what would help, and who is waited for, is left out."""
    if unplaced.refusals:
        return _gang(unplaced.gang) + unplaced.refusals[0].problem
    return _waits(unplaced.hold) if unplaced.hold else ""


def listed(names: Sequence[str]) -> str:
    """At most five names."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _each(sentences: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(sentences))


def _hold(hold: Hold) -> str:
    return f"{_waits(hold)}: {listed(sorted(f'{one.assignment} on {one.server}' for one in hold.awaited))}"


def _waits(hold: Hold) -> str:
    waits = "waits" if hold.instances == 1 else "wait"
    return f"{hold.instances} {waits} for {counted(len(hold.awaited), 'instance')} to stop and free quota"


def _gang(gang: GangStays | None) -> str:
    if gang is None:
        return ""
    are = "the 1 that runs goes" if gang.running == 1 else f"the {gang.running} that run go"
    return f"the gang is replaced once all {gang.wanted} of it fit, and {are} on until then: "


def _protected(tasks: Sequence[Protected]) -> str:
    more = f" and {len(tasks) - _MOST_TASKS} more tasks" if len(tasks) > _MOST_TASKS else ""
    return f"others could make room, but {', and '.join(map(_one_protected, tasks[:_MOST_TASKS]))}{more}"


def _one_protected(one: Protected) -> str:
    absent = "missing or making room" if one.making_room else "missing"
    missing = f" and {one.missing} of its {one.desired} instances {is_or_are(one.missing)} {absent}"
    lower = f", or lower its replicas to {one.replicas}" if one.replicas is not None else ""
    given = f"{one.task}'s update.maxUnavailable is {one.max_unavailable}{missing if one.missing else ''}"
    return f"{given}: raise it to {one.enough}{lower}"
