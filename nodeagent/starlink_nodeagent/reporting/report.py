"""What the agent says of an instance: an Assignment's status. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlink.api import conditions, merge_patch
from starlink.api.assignment import Assignment, AssignmentStatus
from starlink.api.meta import Condition
from starlink.api.status import field_changes
from starlink.api.timestamp import format_time
from starlink_nodeagent.decisions.unreadable import UNREADABLE, told
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.runtimes.contract import Finding

Status = dict[str, Any]


_NOTHING = Finding()


def status_of(record: Record, address: str, now: float, unread: str = "", finding: Finding = _NOTHING) -> Status:
    """The whole status; what is not so is null, which a merge patch takes away. `unread` says why its Assignment can't
    be read. What it has found is left as it was where that can't be told."""
    reason, message = _why(record, unread, finding)
    endpoints = [
        {"name": port.name, "address": address, "port": record.ports[port.name]}
        for port in record.template.ports
        if port.name in record.ports
    ]
    return {
        "observedGeneration": record.generation,
        "phase": record.phase,
        "ready": record.ready,
        "reason": reason or None,
        "message": message or None,
        "exitCode": record.exit_code,
        "signal": record.signal or None,
        "restarts": record.restarts,
        "startedAt": format_time(record.started_at) if record.started_at is not None else None,
        "finishedAt": format_time(record.finished_at) if record.finished_at is not None else None,
        "endpoints": endpoints or None,
        "conditions": _conditions(record, now, unread),
        **({} if finding.result is None else {"result": finding.result}),
    }


def _why(record: Record, unread: str, finding: Finding) -> tuple[str, str]:
    """The reason and the message that a person needs most."""
    if record.reason:
        return record.reason, record.message
    return (UNREADABLE, told(unread)) if unread else (finding.reason, finding.message or record.message)


def status_of_unread(assignment: Assignment, why: str, now: float) -> Status:
    """What is said of an Assignment that can't be read and does not run here; all else of its status stays."""
    message, told_phase = told(why), assignment.status.phase
    found = (
        ("Ready", False, UNREADABLE, message),
        ("Reconciling", False, UNREADABLE, ""),
        ("Stalled", True, UNREADABLE, message),
    )
    status = {"ready": False, "reason": UNREADABLE, "message": message}
    is_new = told_phase == "Pending" and not _lacks(assignment, "status.phase")
    conditions = _entries(found, assignment.metadata.generation, now)
    return {**status, **({"phase": "Pending"} if is_new else {}), "conditions": conditions}


def _lacks(assignment: Assignment, path: str) -> bool:
    return assignment.unreadable is not None and assignment.unreadable.lacks(path)


def _conditions(record: Record, now: float, unread: str) -> list[dict[str, Any]]:
    failed = record.phase == "Failed"
    working = not record.ready and not record.finished
    reason = record.reason or record.phase
    stalled = (reason, record.message) if failed else (UNREADABLE, told(unread)) if unread else ("NotStalled", "")
    found = (
        ("Ready", record.ready, reason, record.message),
        ("Reconciling", working, reason if working else "Settled", record.message if working else ""),
        ("Stalled", failed or bool(unread), *stalled),
    )
    return _entries(found, record.generation, now)


def _entries(found: Iterable[tuple[str, bool, str, str]], generation: int, now: float) -> list[dict[str, Any]]:
    declared = (
        Condition(type=type_, status="True" if truth else "False", reason=why, message=message)
        for type_, truth, why, message in found
    )
    of_now = conditions.of_generation(declared, generation)
    return [conditions.entry(condition) for condition in conditions.merge((), of_now, now=format_time(now))]


def is_news(record: Record, heard: AssignmentStatus, address: str, finding: Finding = _NOTHING) -> bool:
    """Whether the journal says other than the API has heard, or the server has another address, or it has found
    something else."""
    if finding.result not in (None, heard.result):
        return True
    if any(endpoint.address != address for endpoint in heard.endpoints):
        return True
    noted = {name: getattr(record, name) for name in ("phase", "ready", "reason", "message", "restarts")}
    return bool(field_changes(heard, noted))


def replacing(status: Status, there: Mapping[str, Any] | None) -> Status:
    """The status as a merge patch that puts its result in the place of the one that is there."""
    return status if "result" not in status else {**status, "result": merge_patch.replacing(there, status["result"])}


def same(one: Status | None, other: Status) -> bool:
    """Whether two statuses say the same, times of transition aside."""
    return one is not None and keep_transitions(one, other) == one


def keep_transitions(old: Status | None, new: Status) -> Status:
    """`new` with the transition times of conditions whose status is as before."""
    before, declared = conditions.readable({"status": old}), conditions.readable({"status": new})
    if not declared:
        return new
    now = declared[0].last_transition_time
    return {**new, "conditions": [conditions.entry(one) for one in conditions.merge(before, declared, now=now)]}
