"""What to look at next: the logs where an instance printed why, and nothing where none could."""

from functools import partial
from typing import Any

import msgspec
import pytest

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, POOL, TASK
from starlink.api.meta import ObjectKey
from starlink.cli.hints import way_to_logs
from starlink.cli.next_steps import of_table, of_task

BAD = ObjectKey("team", "bad")
told_to = "starlink --kubeconfig K {}".format
logs_of = partial(way_to_logs, command="starlink -x {}".format, is_here="here".__eq__)


def attempt(server: str, reason: str, **status: Any) -> Assignment:
    obj = {
        "metadata": {"name": f"bad-{server}", "namespace": "team"},
        "spec": {"server": server, "slot": "0", "attempt": 1, "template": {}},
        "status": {"phase": "Running", "reason": reason, **status},
    }
    return msgspec.convert(obj, Assignment)


@pytest.mark.parametrize(
    ("reason", "its", "step"),
    [
        ("CrashLoop", [attempt("here", "BackOff"), attempt("s2", "BackOff")], "`starlink -x logs bad -n team`"),
        (
            "CrashLoop",
            [attempt("s2", "", restarts=4), attempt("s1", "")],
            "`starlink logs bad -n team --data-dir DIR` on s2, with the data directory of its agent",
        ),
        (
            "AttemptsFail",
            [attempt("s3", "ProcessExited"), attempt("s2", "ProcessExited"), attempt("s1", "ArtifactNotFound")],
            "`starlink logs bad -n team --data-dir DIR` on s2, s3, with the data directory of the agent there",
        ),
        ("Starting", [attempt("here", "NotReady")], "`starlink -x logs bad -n team`"),
        ("RetriesExceeded", [attempt("here", "ProcessExited")], "`starlink -x logs bad -n team`"),
        (
            "DeadlineExceeded",
            [attempt("here", "Stopped", startedAt="2026-11-30T12:00:00Z"), attempt("s2", "NeverStarted")],
            "`starlink -x logs bad -n team`",
        ),
        ("CrashLoop", [], "`starlink -x logs bad -n team` on the server where it runs"),
    ],
)
def test_an_instance_that_printed_why_sends_to_its_logs(reason: str, its: list[Assignment], step: str) -> None:
    assert of_task(BAD, reason, its, logs_of) == f"see what it printed: {step}"


@pytest.mark.parametrize("reason", ["AttemptsFail", "Starting", "Unplaceable", "RetriesExceeded", "DeadlineExceeded"])
def test_one_that_never_started_sends_nowhere(reason: str) -> None:
    for whys in (["ArtifactNotFound", "PortInUse"], ["CommandNotFound"], ["NeverStarted"]):
        assert of_task(BAD, reason, [attempt("here", why) for why in whys], logs_of) == ""
    assert of_task(BAD, reason, [], logs_of) == ""


def test_rows_of_a_table_are_told_by_their_reasons_and_only_the_first() -> None:
    def table(*rows: list[Any]) -> dict[str, Any]:
        columns = [{"name": name} for name in ("Name", "Server", "Reason")]
        metadata = [{"name": row[0], "namespace": "team"} for row in rows]
        pairs = zip(rows, metadata, strict=True)
        return {"columnDefinitions": columns, "rows": [{"cells": row, "object": {"metadata": m}} for row, m in pairs]}

    crashing = table(*(["a", "here", "BackOff"] for _ in range(5)), ["b", "here", None])
    step = "assignment team/a: BackOff; see what it printed: `starlink -x logs a -n team`"
    assert of_table(ASSIGNMENT, crashing, told_to, logs_of) == [step, step, step, "and 2 more like these"]
    assert of_table(TASK, table(["w", None, "ReplacementFails"]), told_to, logs_of) == [
        "task team/w: ReplacementFails; `starlink --kubeconfig K describe task w -n team` says why"
    ]
    assert of_table(TASK, table(["w", None, "RetriesExceeded"]), told_to, logs_of) == [
        "task team/w: RetriesExceeded; `starlink --kubeconfig K describe task w -n team` says why"
    ]
    assert of_table(TASK, table(["w", None, "Unplaceable"]), told_to, logs_of) == [
        "task team/w: Unplaceable; `starlink --kubeconfig K describe task w -n team` says why"
    ]
    assert of_table(POOL, table(["p", None, "Failed"]), told_to, logs_of) == []
