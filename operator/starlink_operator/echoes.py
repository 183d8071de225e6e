"""What the operator's own writes bring back, which tells it nothing that it did not know when it planned them. No I/O.

In a burst a look at each echo would cost as much as the placing. So those are gathered, and looked at together: once
more than the operator needs, but what somebody else wrote in its place is put right.
"""

from collections.abc import Callable

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import TASK
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink_operator.caches import task_of
from starlink_operator.reporting import Subject


class Echoes:
    """`mark` is told at once of a task of which there is news; those of which only echoes have come since are kept."""

    def __init__(self, mark: Callable[[ObjectKey], None]) -> None:
        self._mark = mark
        self._keys: dict[ObjectKey, None] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def has(self, subject: Subject) -> bool:
        """Whether a task is kept. What was planned of it before it was written says how it was, and the look that comes
        how it is."""
        kind, key = subject
        return kind == TASK and key in self._keys

    def task_changed(self, change: Change[Task]) -> None:
        """An echo where nothing but the status has changed, which the operator alone writes."""
        old, new = change.old, change.new
        self._heard(change.key, is_echo=old is not None and new is not None and _declared(old) == _declared(new))

    def assignment_changed(self, change: Change[Assignment]) -> None:
        """An echo where one has come of which its agent has said nothing yet."""
        old, new = change.old, change.new
        is_echo = old is None and new is not None and new.status.phase == "Pending" and not new.stopping
        for assignment in filter(None, (old, new)):
            self._heard(task_of(assignment), is_echo=is_echo)

    def _heard(self, key: ObjectKey, *, is_echo: bool) -> None:
        if is_echo:
            self._keys[key] = None
        else:
            self._keys.pop(key, None)
            self._mark(key)

    def take(self) -> list[ObjectKey]:
        """Those that are kept, which are to be looked at now."""
        keys, self._keys = list(self._keys), {}
        return keys


def _declared(task: Task) -> tuple[object, ...]:
    """All but the status."""
    meta = task.metadata
    return (
        meta.uid, meta.generation, meta.labels, meta.annotations, meta.finalizers, meta.deletion_timestamp,
        meta.owner_references, task.unreadable,
    )  # fmt: skip
