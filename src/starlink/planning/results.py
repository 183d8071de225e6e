"""What the drivers of a task have found, as its status tells it. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from starlink.api.assignment import LARGEST_RESULT, Assignment
from starlink.api.merge_patch import merge
from starlink.api.slots import order
from starlink.api.task import Task
from starlink.planning.decision import Decision
from starlink.planning.observed import Observed
from starlink.planning.unreadable import slot_fault

MOST = 256 * 1024
"""Bytes of JSON that the results of a task take in its status."""


class Results(NamedTuple):
    """Those that fit, each with its slot, and how many don't."""

    told: tuple[dict[str, Any], ...] = ()
    left_out: int = 0


def results(task: Task, observed: Observed, decision: Decision) -> Results:
    """Of each slot the result of its newest attempt that has one. A status remembers that of an attempt which is gone:
    of a Batch for good, of a Service for as long as it has the slot."""
    if task.spec.template.driver is None:
        return Results()
    found = {**_remembered(task, observed, decision), **_reported(task, observed)}
    return _that_fit(found)


def _reported(task: Task, observed: Observed) -> dict[str, Any]:
    """Of the assignments that are there, later attempts after earlier ones."""
    remembered = {slot.slot: slot.attempts for slot in task.status.slots}
    told = {one.slot for one in task.status.results}
    newest: dict[str, Any] = {}
    for a in sorted(_all(observed), key=lambda a: a.spec.attempt):
        slot, result = a.spec.slot, a.status.result
        is_outlived = slot in told and a.spec.attempt < remembered.get(slot, 0)
        if isinstance(result, dict) and not is_outlived:
            newest[slot] = result
    return newest


def _all(observed: Observed) -> tuple[Assignment, ...]:
    there = (*observed.active.values(), *observed.lost, *observed.leaving)
    return (*there, *observed.superseded, *observed.finished.values())


def _remembered(task: Task, observed: Observed, decision: Decision) -> dict[str, Any]:
    known = {one.slot: one.result for one in task.status.results if isinstance(one.result, dict)}
    if task.is_batch or task.spec.suspend:
        return known
    kept = {a.spec.slot for a in _all(observed)} | {want.slot for want in decision.wants}
    return {slot: result for slot, result in known.items() if slot in kept}


def _that_fit(found: Mapping[str, Any]) -> Results:
    """The results that fit, the first slots before the later ones. No patch can write a null, so nulls are left out."""
    told: list[dict[str, Any]] = []
    slots = sorted((slot for slot in found if not slot_fault(slot)), key=order)
    room = MOST
    for slot in slots:
        entry = {"slot": slot, "result": merge({}, found[slot])}
        if len(msgspec.json.encode(entry["result"])) > LARGEST_RESULT:
            continue
        room -= len(msgspec.json.encode(entry)) + 1
        if room < 0:
            break
        told.append(entry)
    return Results(tuple(told), len(slots) - len(told))
