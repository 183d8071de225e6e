"""The tasks that want a server and found none: what may help them, and when they are looked at again. No I/O."""

from collections.abc import Set

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.meta import ObjectKey
from starlink.api.task import Task

PAUSE_SECONDS = 1.0
PAUSE_EACH = 0.01
"""So many seconds more between two looks for each of them: a look explains anew why each fits nowhere, and where
thousands wait, a burst of others that come to be ready would else be spent on that."""


class Unplaced:
    """`keys` are theirs. What gives room for certain has them looked at at once by who hears of it; what only may help
    is gathered here."""

    def __init__(self) -> None:
        self.keys: frozenset[ObjectKey] = frozenset()
        self._may_be_helped = False
        self._rests_until = float("-inf")

    def looked_at(self, keys: Set[ObjectKey], unplaced: Set[ObjectKey]) -> None:
        """Of these keys, those unplaced have found none."""
        self.keys = (self.keys - keys) | unplaced

    def task_changed(self, change: Change[Task]) -> None:
        """Its budget, priority, labels or whom it keeps away may have been in their way."""
        old, new = change.old, change.new
        if old is not None and (new is None or _of_others(old) != _of_others(new)):
            self._may_be_helped = True

    def assignment_changed(self, change: Change[Assignment]) -> None:
        """One that comes is company for others; one that becomes ready gives its task's budget back."""
        old, new = change.old, change.new
        if new is not None and (old is None or (new.status.ready and not old.status.ready)):
            self._may_be_helped = True

    def due(self, now: float) -> frozenset[ObjectKey]:
        """Those to look at now (monotonic)."""
        if not self._may_be_helped or now < self._rests_until:
            return frozenset()
        self._may_be_helped = False
        self._rests_until = now + PAUSE_SECONDS + PAUSE_EACH * len(self.keys)
        return self.keys


def _of_others(task: Task) -> tuple[object, ...]:
    """What of a task decides what may become of others."""
    return task.uid, task.metadata.generation, task.metadata.labels
