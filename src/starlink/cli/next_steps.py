"""What to look at next, where the reason alone does not say what is wrong but an instance's own output does. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, TASK, Kind
from starlink.api.meta import ObjectKey
from starlink.cli.hints import Command, LogsOf

IN_OUTPUT = frozenset({
    "BackOff", "CrashLoop", "Crashed", "DeadlineExceeded", "Failed", "LivenessFailed", "NotReady", "ProcessExited",
    "RestartLimitExceeded", "RetriesExceeded", "StartupFailed",
})  # fmt: skip
"""Reasons of tasks and assignments for which docs/reasons.md sends to `starlink logs`."""
IN_DESCRIPTION = frozenset({"AttemptsFail", "DeadlineExceeded", "ReplacementFails", "RetriesExceeded", "Unplaceable"})
"""Reasons of tasks for which docs/reasons.md sends to `starlink describe task`: no instance of such a task may have
started, and the description says why. A reason may be in both sets: the logs help once an instance has run."""
MOST = 3
"""Rows of a table of which the next step is told."""


def of_task(key: ObjectKey, reason: str, its: Sequence[Assignment], logs_of: LogsOf) -> str:
    """That of a task that is not ready for a reason, "" where its instances have printed nothing that helps."""
    told = [one for one in its if one.status.reason in IN_OUTPUT]
    if reason in IN_OUTPUT and not told:  # an instance that crashes runs between two crashes
        told = [one for one in its if one.status.restarts or one.status.started_at]
    if not told and (its or reason not in IN_OUTPUT - IN_DESCRIPTION):
        return ""
    return _see(logs_of(key, sorted({one.spec.server for one in told})))


def of_table(kind: Kind, table: Mapping[str, Any], command: Command, logs_of: LogsOf) -> list[str]:
    """Those of the first rows of a table of the server that need one, and how many more there are."""
    if kind.plural not in (TASK.plural, ASSIGNMENT.plural) or kind.group != TASK.group:
        return []
    titles = [str(column["name"]) for column in table["columnDefinitions"]]
    rows = [(row["object"]["metadata"], dict(zip(titles, row["cells"], strict=True))) for row in table["rows"]]
    steps = [step for meta, cells in rows if (step := _of_row(kind, meta, cells, command, logs_of))]
    more = [f"and {len(steps) - MOST} more like these"] if len(steps) > MOST else []
    return [*steps[:MOST], *more]


def _of_row(kind: Kind, meta: Mapping[str, Any], cells: Mapping[str, Any], command: Command, logs_of: LogsOf) -> str:
    key, reason = ObjectKey(meta.get("namespace", ""), meta["name"]), cells.get("Reason")
    name = f"{kind.kind.lower()} {key}: {reason}"
    if kind == TASK and reason in IN_DESCRIPTION:
        return f"{name}; `{command(f'describe task {key.name} -n {key.namespace}')}` says why"
    if reason in IN_OUTPUT:
        servers = [server] if (server := cells.get("Server")) else []
        return f"{name}; {_see(logs_of(key, servers))}"
    return ""


def _see(way: str) -> str:
    return f"see what it printed: {way}"
