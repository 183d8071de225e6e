"""Objects whose planning raised: the same object would fail again, so it is planned ever more seldom."""

import logging

from starlink.planning.failure import frames, where
from starlink.planning.plan import Plan
from starlink_operator.refusals import Refusals
from starlink_operator.reporting import Subject

log = logging.getLogger(__name__)


class Failures:
    """`refusals` counts the tries and says when the next is due."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._failing: set[Subject] = set()

    def note(self, plan: Plan) -> None:
        """Takes note of a plan that was made, or was not."""
        subject = (plan.kind, plan.subject)
        if plan.error is None:
            if subject in self._failing:
                self._failing.discard(subject)
                self._refusals.forget(subject)
            return
        self._failing.add(subject)
        seconds = self._refusals.refused(subject)
        told = {"subject": str(plan.subject), "next_try_seconds": seconds, "traceback": frames(plan.error)}
        log.error("planning a %s failed: %s", plan.kind.kind, where(plan.error), extra=told)

    def rests(self, subject: Subject) -> bool:
        """Whether its next try is still to come."""
        return subject in self._failing and self._refusals.waits(subject)

    def forget(self, subject: Subject) -> None:
        """The object is another, or gone."""
        self._failing.discard(subject)
