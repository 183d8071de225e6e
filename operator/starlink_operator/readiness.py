"""For how long instances have been ready, on this process's own monotonic clock: clocks of servers are not compared."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from starlink.api import conditions
from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.task import Task
from starlink.api.timestamp import parse_time
from starlink.planning.standing import LONGEST_STEADY

MOST_SECONDS = 3600.0
"""The longest `update.minReadyTime`."""


class Readiness:
    """Knows those that became ready lately; the others have been so for long. Of one that is seen for the first time,
    what its agent says is believed (`wall` is epoch seconds)."""

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self._monotonic, self._wall = monotonic, wall
        self._since: dict[str, float] = {}
        self._lately = LONGEST_STEADY

    def __len__(self) -> int:
        return len(self._since)

    def task_changed(self, change: Change[Task]) -> None:
        """What is late depends on the longest time that a task asks."""
        if change.new is not None:
            with suppress(ValueError):
                self._lately = max(self._lately, min(change.new.min_ready_seconds, MOST_SECONDS))

    def assignment_changed(self, change: Change[Assignment]) -> None:
        """Counts anew for one that was not ready before, or has been started again since."""
        old, new = change.old, change.new
        if new is None or not new.status.ready or new.finished:
            for gone in filter(None, (old, new)):
                self._since.pop(gone.uid, None)
            return
        if old is not None and old.uid == new.uid and _spell(old) == _spell(new):
            return
        self._since.pop(new.uid, None)
        age = self._told(new) if old is None else 0.0
        if age < self._lately:
            self._since[new.uid] = self._monotonic() - age

    def ready_for(self) -> Mapping[str, float]:
        """Seconds, by UID, now."""
        now = self._monotonic()
        while self._since:
            uid, since = next(iter(self._since.items()))
            if now - since < self._lately:
                break
            del self._since[uid]
        return _Ages(self._since, now)

    def _told(self, assignment: Assignment) -> float:
        ready = conditions.find(assignment.status.conditions, conditions.READY)
        with suppress(ValueError):
            if ready is not None:
                return max(self._wall() - parse_time(ready.last_transition_time), 0.0)
        return 0.0


def _spell(assignment: Assignment) -> tuple[bool, int]:
    return assignment.status.ready, assignment.status.restarts


class _Ages(Mapping[str, float]):
    """Made for each round, so it copies nothing."""

    def __init__(self, since: Mapping[str, float], now: float) -> None:
        self._since, self._now = since, now

    def __getitem__(self, uid: str) -> float:
        return self._now - self._since[uid]

    def __iter__(self) -> Iterator[str]:
        return iter(self._since)

    def __len__(self) -> int:
        return len(self._since)
