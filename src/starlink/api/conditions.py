"""Conditions, as values: set, find and compare them.

Ready, Reconciling and Stalled follow kstatus (kubernetes-sigs/cli-utils, pkg/kstatus): Ready says that
what is declared is so; Reconciling, present and True, that work is under way; Stalled, present and
True, that it can't go on without a change from outside.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from starlink.api.meta import Condition

READY = "Ready"
SCHEDULED = "Scheduled"
"""Of tasks: whether all that is wanted now has a server."""


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """The condition of that type."""
    return next((condition for condition in conditions if condition.type == type_), None)


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    """Whether the condition is there and True."""
    condition = find(conditions, type_)
    return condition is not None and condition.status == "True"


def readable(obj: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Those of an object that can be read, whoever wrote it."""
    status = obj.get("status")
    written = status.get("conditions") if isinstance(status, Mapping) else None
    found = []
    for one in written if isinstance(written, list) else ():
        try:
            found.append(msgspec.convert(one, Condition))
        except msgspec.ValidationError:
            continue
    return tuple(found)


def merge(old: Sequence[Condition], new: Iterable[Condition], *, now: str) -> tuple[Condition, ...]:
    """`new` in its own order, each with the transition time that `old` has for an unchanged status,
    else `now` (RFC 3339). Types that only `old` has are kept behind, for they are another writer's."""
    merged = []
    for condition in new:
        before = find(old, condition.type)
        since = before.last_transition_time if before and before.status == condition.status else now
        merged.append(msgspec.structs.replace(condition, last_transition_time=since))
    ours = {condition.type for condition in merged}
    return (*merged, *(condition for condition in old if condition.type not in ours))


def of_generation(conditions: Iterable[Condition], generation: int) -> tuple[Condition, ...]:
    """The conditions, each said of this generation."""
    return tuple(msgspec.structs.replace(condition, observed_generation=generation) for condition in conditions)


def entry(condition: Condition) -> dict[str, Any]:
    """A condition as it is written to the API, which wants every field."""
    written: dict[str, Any] = msgspec.to_builtins(condition)
    return {"message": "", "observedGeneration": 0, **written}
