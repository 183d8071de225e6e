"""What a task says of itself: in its conditions, and in the Events of what changed."""

from typing import Any

from tests.world import Cluster, Obj

from starlink.planning.plan import RecordEvent


def asking(cpu: str | int) -> dict[str, Any]:
    return {"command": ["run"], "resources": {"requests": {"cpu": cpu}}}


def condition(task: Obj, kind: str) -> tuple[str, str, str]:
    found = next(one for one in task["status"]["conditions"] if one["type"] == kind)
    return found["status"], found["reason"], found["message"]


def told(cluster: Cluster, reason: str) -> list[RecordEvent]:
    return [event for event in cluster.events if event.reason == reason]


def test_that_more_or_fewer_have_no_server_is_told_once() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="1")
    task = cluster.task("web", template=asking(1), replicas=3)
    cluster.settle()
    for replicas in (5, 7, 4):
        cluster.change(task, replicas=replicas)
        cluster.settle()
    assert condition(task, "Scheduled")[2].startswith("0 of 1 servers fit 3 more instances")
    (event,) = told(cluster, "Unplaceable")
    assert event.lasting and (event.type, event.message[:37]) == ("Warning", "0 of 1 servers fit 2 more instances: ")


def test_another_cause_is_told_and_takes_the_place_of_the_one_before() -> None:
    cluster = Cluster()
    server = cluster.server("s1", cpu="1")
    cluster.task("web", template=asking(1), replicas=3)
    cluster.settle()
    cluster.change(server, unschedulable=True)
    cluster.settle()
    first, second = told(cluster, "Unplaceable")
    assert "short of cpu" in first.message and "cordoned" in second.message
    assert first.lasting and second.lasting and first.gist != second.gist


def test_the_whole_explanation_stands_once_in_the_conditions() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="1")
    task = cluster.task("web", template=asking(2), replicas=3)
    cluster.settle()
    ready, stalled, scheduled = (condition(task, kind) for kind in ("Ready", "Stalled", "Scheduled"))
    assert {one[1] for one in (ready, stalled, scheduled)} == {"Unplaceable"}
    assert ready[2] == (
        "0 of 3 instances are ready; 3 can't be placed: 0 of 1 servers fit 3 more instances: "
        "1 short of cpu (asks 2, the largest server, s1, has 1)"
    )
    assert stalled[2] == "what is wanted can't be placed; the condition Scheduled says why, and what would help"
    assert scheduled[2].startswith(ready[2].partition("placed: ")[2]) and "; nearest: s1 lacks 1 cpu; " in scheduled[2]


def test_one_is_told_as_one() -> None:
    cluster = Cluster()
    cluster.server("s1")
    pool = cluster.pool("lab", selector={"kubernetes.io/arch": "amd64"})
    web, job = cluster.task("web"), cluster.task("job", type="Batch")
    cluster.settle()
    assert condition(web, "Ready")[2] == "1 of 1 instance is ready"
    assert condition(web, "Available")[2] == "1 instance is ready"
    assert condition(job, "Ready")[2] == "0 of 1 completion is done, 1 is running"
    assert condition(pool, "Ready")[2] == "1 of 1 server is ready"
    cluster.change(web, replicas=3)
    cluster.settle()
    assert condition(web, "Ready")[2] == "3 of 3 instances are ready"


def test_an_attempt_that_failed_is_told_once_whatever_becomes_of_the_others() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.task("web", replicas=3)
    cluster.round()
    first, *others = sorted(a.name for a in cluster.assignments())
    failure = {"phase": "Failed", "reason": "CommandNotFound", "message": "run is not found in PATH", "ready": False}
    cluster.report_named(first, **failure, finishedAt="2025-06-15T15:06:40Z")
    for name in others:
        cluster.round()
        cluster.report_named(name, phase="Running", ready=True)
    cluster.round()
    (event,) = told(cluster, "AttemptFailed")
    assert event.message == f"{first} on s1: CommandNotFound: run is not found in PATH"
