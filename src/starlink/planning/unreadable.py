"""What this version can't read, or doesn't understand, is left alone, and says so. Pure."""

import functools
import re

from starlink.api import enumerations
from starlink.api.assignment import Assignment
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task

UNREADABLE = "Unreadable"
"""The reason of Ready and Stalled, and of Events, where an object can't be read."""
_REMEDY = "it is left as it is: upgrade the operator, or write what this version knows"
_DESIRED = frozenset({"Running", "Stopped"})
_SLOT = re.compile(r"(?:.+-)?[0-9]{1,9}")


def trouble(obj: Task | Pool | Server) -> str:
    """The first field that can't be read, or has a value that this version doesn't know; "" when there is none."""
    if obj.unreadable is not None:
        return obj.unreadable.why
    return next(enumerations.unknown(obj.spec, "spec"), "")


def unclear(assignment: Assignment) -> str:
    """The same of an assignment, of which the operator has to understand less: its agent minds the template."""
    if assignment.unreadable is not None:
        return assignment.unreadable.why
    spec = assignment.spec
    if spec.desired not in _DESIRED:
        return next(enumerations.unknown(spec, "spec"))
    return slot_fault(spec.slot)


@functools.lru_cache(maxsize=16_384)
def slot_fault(slot: str) -> str:
    """What is wrong with a slot, "" for nothing. By the slot, for there are few, and many assignments with each."""
    return "" if _SLOT.fullmatch(slot) else f"spec.slot: {slot[:40]!r} is no slot; one is a number, such as 0"


def told(why: str) -> str:
    """What a person is told of it, and what would help."""
    return f"{why}; {_REMEDY}"
