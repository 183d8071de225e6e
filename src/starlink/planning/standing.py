"""Which instances can be relied on: ready for long enough, and not crashing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlink.api import duration
from starlink.api.assignment import Assignment
from starlink.api.task import Task
from starlink.planning.health import Health

LONGEST_STEADY = 60.0
"""Seconds for which one that has crashed more than once must be ready at most, before it counts as well again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the instances of one task stand. `ready_for` has, by UID, for how many seconds those have been ready that
    became so lately; who is ready and not there has been for long."""

    task: Task
    health: Health
    ready_for: Mapping[str, float]

    def is_ready(self, assignment: Assignment) -> bool:
        """Whether it is ready on a server that is heard."""
        unheard = self.health.is_unknown(assignment.spec.server)
        return assignment.status.ready and not assignment.stopping and not unheard

    def is_available(self, assignment: Assignment) -> bool:
        """Whether it has been ready for `update.minReadyTime`."""
        return self.is_ready(assignment) and self._left(assignment, self.task.min_ready_seconds) <= 0

    def crashes(self, assignment: Assignment) -> bool:
        """Whether it has been started again, and has not run for as long since as its agent takes for well."""
        if not assignment.status.restarts or assignment.stopping or assignment.doubted:
            return False
        if self.health.is_unknown(assignment.spec.server):
            return False
        return not assignment.status.ready or self._left(assignment, self._steady(assignment)) > 0

    def recheck_after(self, assignment: Assignment) -> float | None:
        """Seconds until time alone makes another of it; None: it does not."""
        if not self.is_ready(assignment):
            return None
        bounds = [self.task.min_ready_seconds]
        bounds += [self._steady(assignment)] if assignment.status.restarts else []
        left = [seconds for bound in bounds if (seconds := self._left(assignment, bound)) > 0]
        return min(left, default=None)

    def _left(self, assignment: Assignment, bound: float) -> float:
        return bound - self.ready_for.get(assignment.uid, bound)

    def _steady(self, assignment: Assignment) -> float:
        """For how long one that was started again must be ready to be well: after its first restart like any other."""
        if assignment.status.restarts == 1:
            return self.task.min_ready_seconds
        longest = duration.seconds(assignment.spec.template.restart.backoff.max)
        return max(self.task.min_ready_seconds, min(longest, LONGEST_STEADY))
