"""A lost attempt is told to stop once its replacement has been created, and else taken back as it is."""

from typing import Any

import pytest
from tests.world import Cluster

from starlink.api import conditions
from starlink.api.kinds import ASSIGNMENT
from starlink.planning.attempt import is_stop
from starlink.planning.health import SUSPECT_AFTER
from starlink.planning.plan import Action, Create, UpdateStatus


def running(cluster: Cluster) -> dict[str, str]:
    return {a.name.rsplit("-", 2)[-2] + "." + str(a.spec.attempt): a.spec.server for a in cluster.assignments()}


def told_to_stop(cluster: Cluster) -> list[str]:
    return sorted(f"{a.spec.slot}.{a.spec.attempt}" for a in cluster.assignments() if a.stopping)


def one_riscv() -> Cluster:
    cluster = Cluster()
    cluster.server("amd")
    cluster.server("riscv", arch="riscv64")
    return cluster


@pytest.mark.parametrize("spec", [{"replicas": 2}, {"type": "Batch", "completions": 2, "parallelism": 2}])
def test_what_nobody_can_replace_is_taken_back_as_it_is(spec: dict[str, Any]) -> None:
    cluster = one_riscv()
    cluster.task("web", placement={"architectures": ["riscv64"]}, **spec)
    cluster.settle()
    before = running(cluster)
    cluster.silence["riscv"] = 25.0
    cluster.settle()
    assert told_to_stop(cluster) == []
    assert not any(event.reason == "ServerLost" for event in cluster.events)
    cluster.silence["riscv"] = 0.0
    cluster.settle()
    assert running(cluster) == before == {"0.1": "riscv", "1.1": "riscv"}
    assert told_to_stop(cluster) == []


def test_fixed_counts_are_taken_back_as_they_are() -> None:
    cluster = one_riscv()
    cluster.task("web", servers=[{"name": "riscv", "replicas": 2}])
    cluster.settle()
    before = running(cluster)
    for silence in (25.0, 0.0):
        cluster.silence["riscv"] = silence
        cluster.settle()
        assert running(cluster) == before and told_to_stop(cluster) == []


def test_a_replacement_is_created_before_the_lost_attempt_is_told() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.server("s2")
    cluster.task("web", servers=[], replicas=2)
    cluster.settle()
    cluster.silence["s2"] = 16.0
    (plan,) = (plan for plan in cluster.round() if plan.subject.name == "web")
    (create,) = (n for n, action in enumerate(plan.actions) if isinstance(action, Create))
    (stop,) = (n for n, action in enumerate(plan.actions) if is_stop(action))
    assert create < stop
    (doubt,) = (n for n, action in enumerate(plan.actions) if _is_doubt(action))
    assert doubt < stop, "it is of the version that was seen, which the other write changes"
    assert [event.message for event in cluster.events if event.reason == "ServerLost"] == [
        "web-1e0b285e-1-1 is given up: server s2 was lost, and it has been replaced"
    ]


def test_of_two_lost_only_the_one_that_was_replaced_is_told() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="2")
    cluster.server("s2", cpu="3")
    cluster.task("web", template={"command": ["run"], "resources": {"requests": {"cpu": "1"}}}, replicas=4)
    cluster.settle()
    on_s2 = sorted(a.spec.slot for a in cluster.assignments() if a.spec.server == "s2")
    cluster.server("s3", cpu="1")
    cluster.silence["s2"] = 16.0
    cluster.settle()
    assert told_to_stop(cluster) == [f"{on_s2[0]}.1"]
    cluster.silence["s2"] = 0.0
    cluster.settle()
    assert len(cluster.assignments()) == 4
    assert {a.spec.attempt for a in cluster.assignments() if a.spec.server == "s2"} == {1}


def test_a_slot_above_the_others_is_replaced_under_its_own_number() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.task("web", replicas=3)
    cluster.settle()
    cluster.server("s2")
    task = cluster.objects["Task", "default", "web"]
    for a in cluster.assignments():
        cluster.objects["Assignment", "default", a.name]["spec"]["server"] = "s2" if a.spec.slot == "2" else "s1"
        cluster.report_named(a.name, phase="Running", ready=a.spec.slot == "2")
    cluster.change(task, replicas=1)  # keeps the one that is ready
    cluster.settle()
    assert running(cluster) == {"2.1": "s2"}
    cluster.silence["s2"] = 16.0
    cluster.settle()
    assert running(cluster) == {"2.1": "s2", "2.2": "s1"} and told_to_stop(cluster) == ["2.1"]


def test_a_leader_that_ended_before_it_told_is_followed_by_one_that_does() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.server("s2")
    cluster.task("web", replicas=2)
    cluster.settle()
    cluster.silence["s2"] = 16.0
    cluster.round(fails=_is_a_stop)
    cluster.silence["s2"] = 0.0
    assert running(cluster) == {"0.1": "s1", "1.1": "s2", "1.2": "s1"} and told_to_stop(cluster) == []
    cluster.round()
    assert told_to_stop(cluster) == ["1.1"]


def test_what_is_lost_leaves_the_quota_to_its_replacement_and_comes_back_into_it() -> None:
    cluster = Cluster()
    cluster.pool("edge", selector={"rack": "a"}, quota={"assignments": 2})
    for name in ("s1", "s2"):
        cluster.server(name, labels={"rack": "a"}, cpu="1")
    task = {"template": {"command": ["run"], "resources": {"requests": {"cpu": 1}}}, "placement": {"pool": "edge"}}
    cluster.task("web", replicas=2, **task)
    cluster.settle()
    cluster.silence["s2"] = 16.0
    cluster.settle()
    assert cluster.objects["Pool", "", "edge"]["status"]["assignments"] == 1
    cluster.silence["s2"] = 0.0
    cluster.settle()
    assert cluster.objects["Pool", "", "edge"]["status"]["assignments"] == 2
    cluster.silence["s2"] = 16.0
    cluster.server("s3", labels={"rack": "a"}, cpu="1")
    cluster.settle()
    assert running(cluster) == {"0.1": "s1", "1.1": "s2", "1.2": "s3"}


def _is_a_stop(action: Action) -> bool:
    return is_stop(action)


def phases(cluster: Cluster) -> dict[str, tuple[str, bool]]:
    return {a.spec.server: (a.status.phase, a.status.ready) for a in cluster.assignments()}


def test_of_a_server_that_is_not_heard_nothing_is_said_to_run() -> None:
    cluster = Cluster()
    for name in ("s1", "s2", "s3", "s4"):
        cluster.server(name)
    cluster.task("web", placement={"lostAfter": "1h"}, replicas=4)
    cluster.settle()
    cluster.report_named("web-1e0b285e-2-1", phase="Failed", ready=False, reason="Broken", finishedAt=None)
    failed = {a.spec.server for a in cluster.assignments() if a.finished}.pop()
    others = sorted({"s1", "s2", "s3", "s4"} - {failed})
    cluster.silence |= {failed: 16.0, others[0]: 16.0, others[1]: 14.0}
    cluster.settle()
    assert phases(cluster) == {
        failed: ("Failed", False), others[0]: ("Unknown", False),
        others[1]: ("Running", True), others[2]: ("Running", True),
    }  # fmt: skip
    told = next(a for a in cluster.assignments() if a.spec.server == others[0]).status
    assert (told.reason, told.conditions[0].type, told.conditions[0].status) == ("ServerUnknown", "Ready", "Unknown")


def test_nor_does_what_a_deleted_task_has_left_there() -> None:
    """What waits for its end asks of its phase whether somebody can stop it."""
    cluster = Cluster()
    for name in ("s1", "s2"):
        cluster.server(name)
    task = cluster.task("web", replicas=2)
    cluster.settle()
    cluster.silence["s1"] = 20.0
    cluster.delete(task)
    for _ in range(10):
        cluster.round()
        cluster.agents()
    assert phases(cluster) == {"s1": ("Unknown", False)}


def test_a_storm_is_no_news_of_what_runs_either_and_its_end_is() -> None:
    cluster = Cluster()
    for name in ("s1", "s2", "s3", "s4"):
        cluster.server(name)
    cluster.task("web", replicas=4)
    cluster.settle()
    before = running(cluster)
    cluster.silence |= dict.fromkeys(("s1", "s2", "s3"), 20.0)
    cluster.settle()
    assert phases(cluster) == dict.fromkeys(("s1", "s2", "s3"), ("Unknown", False)) | {"s4": ("Running", True)}
    cluster.silence |= dict.fromkeys(("s1", "s2", "s3"), 0.0)
    cluster.settle()
    assert set(phases(cluster).values()) == {("Running", True)} and running(cluster) == before


def test_what_is_back_and_has_not_reported_yet_is_not_taken_for_unwell() -> None:
    """Else all of it would leave a server that is drained at once."""
    cluster = Cluster()
    cluster.server("s1")
    s2 = cluster.server("s2", cpu="4")
    cluster.task("web", placement={"lostAfter": "1h"}, replicas=4)
    cluster.settle()
    cluster.silence["s2"] = 20.0
    cluster.settle()
    cluster.silence["s2"] = 0.0
    cluster.delete(s2)
    cluster.round()
    assert len(told_to_stop(cluster)) == 1, "one at a time, for nothing is known of them yet"


def _is_doubt(action: Action) -> bool:
    return isinstance(action, UpdateStatus) and action.kind == ASSIGNMENT


def test_a_server_that_was_not_heard_stays_so_until_it_is() -> None:
    """Such as when the operator starts again, and has no silence yet to count."""
    cluster = Cluster()
    for name in ("s1", "s2"):
        cluster.server(name)
    cluster.silence["s1"] = 30.0
    cluster.settle()
    for seconds, heard in ((SUSPECT_AFTER, "Unknown"), (0.0, "True"), (SUSPECT_AFTER, "True")):
        cluster.silence["s1"] = seconds
        cluster.round()
        ready = conditions.find(cluster.world().servers["s1"].status.conditions, "Ready")
        assert ready is not None and ready.status == heard
