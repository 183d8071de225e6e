"""What a Batch's deadline counts, and that what has begun is not changed under way."""

from tests.unit.api.test_crds import RUN, SCHEMAS
from tests.world import Cluster, Obj

from starlink.api.timestamp import format_time


def phase(cluster: Cluster, task: Obj, seconds: float) -> str:
    cluster.now += seconds
    cluster.settle()
    return str(task["status"]["phase"])


def test_suspended_time_does_not_count_for_the_deadline() -> None:
    cluster = Cluster()
    cluster.server("s1")
    task = cluster.task("sum", type="Batch", deadline="100s")
    assert phase(cluster, task, 0) == "Running"
    for _ in range(2):
        assert phase(cluster, task, 40) == "Running"
        cluster.change(task, suspend=True)
        assert phase(cluster, task, 0) == "Suspended"
        assert phase(cluster, task, 1000) == "Suspended"
        cluster.change(task, suspend=False)
        assert phase(cluster, task, 0) == "Running"
    assert task["status"]["suspendedSeconds"] == 2000 and "suspendedAt" not in task["status"]
    assert phase(cluster, task, 19) == "Running"
    assert phase(cluster, task, 2) == "Failed"


def test_one_that_is_suspended_at_first_has_not_begun() -> None:
    cluster = Cluster()
    cluster.server("s1")
    task = cluster.task("sum", type="Batch", deadline="100s", suspend=True)
    assert phase(cluster, task, 0) == "Suspended" and phase(cluster, task, 1000) == "Suspended"
    cluster.change(task, suspend=False)
    assert phase(cluster, task, 0) == "Running" and phase(cluster, task, 99) == "Running"
    assert phase(cluster, task, 2) == "Failed"


def refused(type_: str, began: bool, **changed: object) -> dict[str, str]:
    schema = SCHEMAS["tasks"]
    status = {"startedAt": "2026-01-01T00:00:00Z"} if began else {}
    spec: Obj = {"type": type_, "template": RUN}
    old = {"metadata": {"name": "x"}, "spec": spec, "status": status}
    new = {**old, "spec": {**spec, **changed}}
    made, before = (schema.conform(obj, defaults=True)[0] for obj in (new, old))
    return {cause.field: cause.message for cause in schema.validate(made, before)}


def test_the_template_of_a_batch_that_has_begun_is_not_changed() -> None:
    other = {"command": ["other"]}
    told = refused("Batch", True, template=other)
    assert list(told) == ["spec.template"] and "delete the task and apply it anew" in told["spec.template"]
    assert refused("Batch", False, template=other) == {} == refused("Service", True, template=other)
    assert refused("Batch", True, suspend=True, parallelism=3) == {}


def test_failed_attempts_stay_for_their_logs_and_the_oldest_of_many_go() -> None:
    cluster = Cluster()
    cluster.server("s1")
    task = cluster.task("sum", type="Batch", retries=60)
    for number in range(1, 61):
        cluster.settle()
        (running,) = (a for a in cluster.assignments() if not a.finished)
        assert running.spec.attempt == number
        end = format_time(cluster.now)
        cluster.report_named(running.name, phase="Exited", ready=False, exitCode=1, finishedAt=end)
        cluster.now += 100
        cluster.settle()
        there = sorted(a.spec.attempt for a in cluster.assignments() if a.finished)
        assert there == list(range(max(number - 49, 1), number + 1)), "the latest stay"
        assert task["status"]["failed"] == number
        ready = next(one for one in task["status"]["conditions"] if one["type"] == "Ready")
        assert ready["reason"] == "Running", "what runs now is what is told"
