"""What the log tells of a round: one line for all of it, at level info only where something is to be done."""

import logging
from collections import Counter
from collections.abc import Sequence

from starlink.planning.plan import Action, Plan

log = logging.getLogger(__name__)

_MOST_NAMED = 3


def note(looked_at: int, plans: Sequence[Plan]) -> None:
    """`looked_at` is how many objects the round was of. What only tells, statuses and Events, is not counted."""
    acting = [plan for plan in plans if plan.acts]
    counts = Counter(_named(action) for plan in acting for action in plan.acts)
    told = {
        "looked_at": looked_at,
        "objects": len(acting),
        "first": [str(plan.subject) for plan in acting[:_MOST_NAMED]],
        "actions": dict(sorted(counts.items())),
    }
    log.log(logging.INFO if acting else logging.DEBUG, "round", extra=told)


def _named(action: Action) -> str:
    kind = action.kind.kind
    return f"{type(action).__name__} {kind}"
