"""A changed template that does not work is no outage: replacing goes by what is available, and stops at what crashes."""

from typing import Any

import pytest
from tests.world import Cluster, Obj

from starlink.engine.rounds.round import plan_round

BAD = {"template": {"command": ["false"]}}


def running(replicas: int = 5, **spec: Any) -> tuple[Cluster, Obj]:
    cluster = Cluster()
    cluster.server("s1")
    task = cluster.task("web", replicas=replicas, **spec)
    cluster.settle()
    return cluster, task


def condition(task: Obj, kind: str) -> tuple[str, str, str] | None:
    found = (one for one in task["status"]["conditions"] if one["type"] == kind)
    return next(((one["status"], one["reason"], one["message"]) for one in found), None)


def of_revision(cluster: Cluster, command: str) -> list[str]:
    live = [a for a in cluster.assignments() if not a.stopping]
    return [a.name for a in live if a.spec.template.command == (command,)]


def crash(cluster: Cluster, name: str, restarts: int, **status: Any) -> None:
    """Its process has ended and is up again, or not yet."""
    up = {"phase": "Running", "ready": True, "reason": "", "message": ""}
    cluster.report_named(name, exitCode=1, restarts=restarts, **{**up, **status})
    cluster.ready_for[cluster.objects["Assignment", "default", name]["metadata"]["uid"]] = 1.0


DOWN = {"phase": "Starting", "ready": False, "reason": "BackOff", "message": "it ended"}


def begin_replacing(cluster: Cluster, task: Obj, seconds: float, **changed: Any) -> str:
    """The first replacement runs, and has been ready for so long."""
    cluster.change(task, **changed)
    for _ in range(2):
        cluster.round()
        cluster.agents()
    (name,) = of_revision(cluster, "false")
    cluster.ready_for[cluster.objects["Assignment", "default", name]["metadata"]["uid"]] = seconds
    return name


@pytest.mark.parametrize(("most", "down"), [(1, True), (1, False), (2, True), (2, False)])
def test_a_replacement_that_crashes_stops_the_replacing(most: int, down: bool) -> None:
    cluster, task = running(update={"maxUnavailable": most})
    cluster.change(task, **BAD)
    for _ in range(3):
        cluster.round()
        cluster.agents()
        for a in cluster.assignments():
            if a.spec.template.command == ("false",):
                cluster.ready_for[a.uid] = 1.0
    first = of_revision(cluster, "false")
    assert len(first) == most
    for restarts in range(1, 6):
        crash(cluster, first[0], restarts, **(DOWN if down else {}))
        for _ in range(3):
            cluster.round()
            cluster.agents(only=())
        assert of_revision(cluster, "false") == first and len(of_revision(cluster, "run")) == 5 - most
        assert task["status"]["available"] == 5 - most and task["status"]["phase"] != "Running"
        ready, stalled = condition(task, "Ready"), condition(task, "Stalled")
        assert ready and ready[:2] == ("False", "CrashLoop" if restarts > 1 else "Crashed")
        assert stalled and stalled[:2] == ("True", "CrashLoop" if restarts > 1 else "ReplacementFails")
        times = "1 time" if restarts == 1 else f"{restarts} times"
        assert condition(task, "InstanceFailure") == (
            "True", "BackOff" if down else "ProcessExited",
            f"{first[0]} on s1 was started again {times}, last after exit code 1",
        )  # fmt: skip
        assert "to be replaced, and wait: web-" in ready[2]


def test_another_template_goes_on_and_what_is_over_is_told() -> None:
    cluster, task = running()
    crash(cluster, begin_replacing(cluster, task, 1.0, **BAD), 3, **DOWN)
    cluster.round()
    cluster.change(task, template={"command": ["run"]})
    cluster.settle()
    assert len(of_revision(cluster, "run")) == 5
    assert condition(task, "Ready") == ("True", "AllReady", "5 of 5 instances are ready")
    assert condition(task, "InstanceFailure") == ("False", "NoFailure", "")


def test_what_ends_for_good_stops_the_replacing_too() -> None:
    cluster, task = running(update={"maxUnavailable": 2}, template={"command": ["run"], "restart": {"policy": "Never"}})
    cluster.change(task, **BAD)
    cluster.round()
    cluster.agents()
    cluster.round()
    first = of_revision(cluster, "false")
    cluster.report_named(first[0], phase="Exited", ready=False, exitCode=3, reason="ProcessExited", finishedAt=None)
    cluster.report_named(first[1], phase="Running", ready=True)
    for _ in range(3):
        cluster.round()
    assert len(of_revision(cluster, "run")) == 3
    failure = condition(task, "InstanceFailure")
    assert failure and failure[:2] == ("True", "ProcessExited") and failure[2].endswith("exit code 3")


@pytest.mark.parametrize(("update", "probes", "seconds"), [
    ({}, {}, 5.0), ({"minReadyTime": "1m"}, {}, 60.0), ({"minReadyTime": "0s"}, {}, 0.0),
    ({}, {"readiness": {"tcpSocket": {}}}, 0.0), ({"minReadyTime": "2s"}, {"readiness": {"tcpSocket": {}}}, 2.0),
])  # fmt: skip
def test_the_next_goes_once_the_replacement_is_available(update: Obj, probes: Obj, seconds: float) -> None:
    cluster, task = running(2, update=update)
    template = {"command": ["false"], "probes": probes}
    name = begin_replacing(cluster, task, max(seconds - 0.1, 0.0), template=template)
    if seconds:
        cluster.round()
        (plan,) = plan_round(cluster.world()).plans
        assert plan.recheck_after == pytest.approx(0.1), "time is what is waited for"
        assert len(of_revision(cluster, "run")) == 1 and task["status"]["available"] == 1
        assert task["status"]["ready"] == 2
    cluster.ready_for[cluster.objects["Assignment", "default", name]["metadata"]["uid"]] = seconds
    cluster.settle()
    assert len(of_revision(cluster, "false")) == 2 and task["status"]["available"] == 2


def test_a_crash_loop_is_not_running_all_ready_and_is_over_once_it_runs() -> None:
    cluster, task = running(1)
    (name,) = of_revision(cluster, "run")
    crash(cluster, name, 1)
    cluster.settle()
    assert condition(task, "Ready") == (
        "False", "Crashed",
        f"1 of 1 instance is ready; {name} on s1 was started again 1 time, last after exit code 1",
    )  # fmt: skip
    assert task["status"]["phase"] == "Degraded"
    crash(cluster, name, 2)
    cluster.settle()
    ready, stalled = condition(task, "Ready"), condition(task, "Stalled")
    assert ready and stalled and ready[:2] == ("False", "CrashLoop") and stalled[:2] == ("True", "CrashLoop")
    cluster.ready_for.clear()
    cluster.settle()
    assert condition(task, "Ready") == ("True", "AllReady", "1 of 1 instance is ready")


@pytest.mark.parametrize(
    ("restarts", "seconds", "reason"), [(1, 1.0, "Crashed"), (1, 6.0, "AllReady"), (2, 6.0, "CrashLoop")]
)
def test_one_that_was_started_again_once_is_well_when_it_is_available(
    restarts: int, seconds: float, reason: str
) -> None:
    cluster, task = running(replicas=1)
    (name,) = of_revision(cluster, "run")
    crash(cluster, name, restarts)
    cluster.ready_for[cluster.objects["Assignment", "default", name]["metadata"]["uid"]] = seconds
    cluster.round()
    ready = condition(task, "Ready")
    assert ready and ready[1] == reason


def test_failures_in_a_row_are_forgotten_once_an_attempt_is_available() -> None:
    cluster, task = running(1, template={"command": ["run"], "restart": {"policy": "Never"}})
    for failures in (1, 2, 3):
        (attempt,) = (a for a in cluster.assignments() if not a.finished)
        cluster.report_named(attempt.name, phase="Failed", ready=False, reason="Broken", finishedAt=None)
        cluster.now += 400
        cluster.round()
        cluster.agents()
        cluster.ready_for |= {a.uid: 1.0 for a in cluster.assignments()}
        cluster.round()
        assert task["status"]["slots"][0]["failures"] == failures
