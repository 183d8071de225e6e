"""What can't be read is not gone: what it has is left alone and stays charged, it says so, and the others go on."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.world import Cluster, Obj

from starlink.engine.foresight.preview import preview
from starlink.engine.foresight.rebalancing import proposals
from starlink.engine.rounds.fleet import plan_fleet
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import plan_round
from starlink.planning.plan import Create, Delete, Patch, ReleaseFinalizer, UpdateStatus

ACTS = (Create, Delete, Patch, ReleaseFinalizer)
Break = Callable[[Obj], None]


def cpu() -> Obj:
    return {"template": {"command": ["run"], "resources": {"requests": {"cpu": "1"}}}}


def put(path: str, value: Any) -> Break:
    def broken(obj: Obj) -> None:
        *parents, last = path.split(".")
        at = obj
        for name in parents:
            at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
        at[last] = value

    return broken


def told(obj: Obj) -> dict[str, tuple[str, str, str]]:
    return {one["type"]: (one["status"], one["reason"], one["message"]) for one in obj["status"]["conditions"]}


def names(cluster: Cluster, task: str = "bad") -> list[str]:
    return [a.name for a in cluster.assignments() if a.task == task]


def acts(cluster: Cluster) -> list[Any]:
    """What a round does, but for telling."""
    plans = [*plan_round(cluster.world()).plans, *plan_fleet(cluster.world())]
    return [action for plan in plans for action in plan.actions if isinstance(action, ACTS)]


# Tasks

TASKS = {
    "a runtime of a newer version": put("spec.template.runtime", "Container"),
    "a type of a newer version": put("spec.type", "Daemon"),
    "a restart policy of a newer version": put("spec.template.restart", {"policy": "Sometimes"}),
    "an operator of a newer version": put("spec.placement", {"tolerations": [{"operator": "Like"}]}),
    "a spec that is none": put("spec", 7),
    "a template that is none": put("spec.template", []),
    "replicas that are none": put("spec.replicas", "three"),
    "slots that are none": put("status.slots", "all"),
    "a status that is none": put("status.completedSlots", 7),
}


@pytest.mark.parametrize("broken", TASKS.values(), ids=TASKS)
def test_a_task_that_can_not_be_read_keeps_what_it_has(broken: Break) -> None:
    cluster = Cluster()
    cluster.server("s1")
    bad, good = cluster.task("bad", replicas=2, **cpu()), cluster.task("good", **cpu())
    cluster.settle()
    before = names(cluster)
    broken(bad)
    cluster.settle()
    assert names(cluster) == before and len(before) == 2
    assert all(a.spec.desired == "Running" and not a.metadata.deleting for a in cluster.assignments())
    status, reason, message = told(bad)["Ready"]
    assert (status, reason) == ("Unknown", "Unreadable") and told(bad)["Stalled"][:2] == ("True", "Unreadable")
    assert message.startswith(("spec", "status")) and "upgrade the operator" in message
    assert [event.reason for event in cluster.events if event.key.name == "bad"][-1:] == ["Unreadable"]
    assert told(good)["Ready"][:2] == ("True", "AllReady")


def test_its_instances_are_neither_replaced_nor_preempted_and_stay_charged() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="2")
    bad = cluster.task("bad", replicas=2, placement={"lostAfter": "12s"}, **cpu())
    cluster.settle()
    before = names(cluster)
    put("spec.template.runtime", "Container")(bad)
    cluster.task("urgent", placement={"priority": 100}, **cpu())
    cluster.server("s2", cpu="0")
    cluster.settle()
    assert names(cluster) == before and names(cluster, "urgent") == []
    assert not any(a.stopping for a in cluster.assignments())
    cluster.server("s3")
    cluster.silence["s1"] = 100.0
    cluster.settle()
    assert names(cluster) == before, "its rule for lost servers can't be read"


def test_finalizers_stay_until_the_task_is_deleted() -> None:
    cluster = Cluster()
    cluster.server("s1")
    bad = cluster.task("bad", **cpu())
    cluster.settle()
    (name,) = names(cluster)
    put("spec.template.runtime", "Container")(bad)
    assignment = cluster.objects["Assignment", "default", name]
    cluster.delete(assignment)
    cluster.agents()
    assert acts(cluster) == [], "which attempt it was would be forgotten"
    bad["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}
    cluster.settle()
    assert names(cluster) == []


def test_it_goes_on_once_it_can_be_read() -> None:
    cluster = Cluster()
    cluster.server("s1")
    bad = cluster.task("bad", replicas=2, **cpu())
    cluster.settle()
    before = names(cluster)
    put("spec.template.runtime", "Container")(bad)
    cluster.settle()
    put("spec.template.runtime", "Process")(bad)
    cluster.change(bad, replicas=3)
    cluster.settle()
    assert [*before, *names(cluster)[2:]] == names(cluster) and len(names(cluster)) == 3
    assert told(bad)["Ready"][:2] == ("True", "AllReady") and told(bad)["Stalled"][0] == "False"


def test_conditions_that_can_not_be_read_are_not_written_over() -> None:
    cluster = Cluster()
    bad = cluster.task("bad", **cpu())
    bad["status"] = {"conditions": "none"}
    (plan,) = plan_round(cluster.world()).plans
    assert not [action for action in plan.actions if isinstance(action, UpdateStatus)]
    assert [action.reason for action in plan.actions] == ["Unreadable"]  # type: ignore[union-attr]


# Assignments

ASSIGNMENTS = {
    "a wish of a newer version": put("spec.desired", "Paused"),
    "a template that is none": put("spec.template", 7),
    "an attempt that is none": put("spec.attempt", "first"),
    "a slot that is none": put("spec.slot", {}),
    "a slot that is no number": put("spec.slot", "front"),
    "endpoints that are none": put("status.endpoints", 7),
    "a phase that is none": put("status.phase", 7),
    "owners that are none": put("metadata.ownerReferences", "task"),
    "labels that are none": put("metadata.labels.extra", 7),
}


@pytest.mark.parametrize("broken", ASSIGNMENTS.values(), ids=ASSIGNMENTS)
@pytest.mark.parametrize("change", [{}, {"template": {"command": ["other"]}}, {"suspend": True}, {"replicas": 1}])
def test_an_assignment_that_can_not_be_read_is_left_alone(broken: Break, change: Obj) -> None:
    """Neither stopped, nor replaced, nor taken for a stray, whatever becomes of its task."""
    cluster = Cluster()
    cluster.server("s1")
    bad, good = cluster.task("bad", replicas=2, **cpu()), cluster.task("good", **cpu())
    cluster.settle()
    name = names(cluster)[0]
    broken(cluster.objects["Assignment", "default", name])
    cluster.change(bad, **change)
    for _ in range(20):
        cluster.round()
        cluster.agents()
    found = next(a for a in cluster.assignments() if a.name == name)
    assert not found.metadata.deleting and found.spec.desired in ("Running", "Paused")
    assert len(cluster.assignments()) <= 3, "it has no twin"
    assert told(good)["Ready"][:2] == ("True", "AllReady")


def test_the_task_says_which_of_its_assignments_can_not_be_read() -> None:
    cluster = Cluster()
    cluster.server("s1")
    bad = cluster.task("bad", replicas=2, **cpu())
    cluster.settle()
    name = names(cluster)[0]
    put("spec.desired", "Paused")(cluster.objects["Assignment", "default", name])
    cluster.settle()
    status, reason, message = told(bad)["Ready"]
    assert (status, reason) == ("False", "Unreadable") and told(bad)["Stalled"][:2] == ("True", "Unreadable")
    assert message == (
        f"1 of 2 instances is ready; {name} on s1: spec.desired: 'Paused' is no value that this version knows (Running, "
        "Stopped); it is left as it is: upgrade the operator, or write what this version knows"
    )
    assert [event.reason for event in cluster.events].count("Unreadable") == 1
    put("spec.desired", "Running")(cluster.objects["Assignment", "default", name])
    cluster.settle()
    assert told(bad)["Ready"][:2] == ("True", "AllReady")


@pytest.mark.parametrize("path", ["spec.template.command", "status.endpoints", "metadata.annotations"])
def test_it_is_charged_by_what_can_be_read(path: str) -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="1")
    cluster.task("bad", **cpu())
    cluster.settle()
    put(path, 7)(cluster.objects["Assignment", "default", names(cluster)[0]])
    cluster.task("late", **cpu())
    cluster.task("urgent", placement={"priority": 9}, **cpu())
    cluster.settle()
    assert names(cluster, "late") == names(cluster, "urgent") == []
    assert not any(a.stopping for a in cluster.assignments())


def test_where_it_can_not_be_read_what_it_takes_nothing_more_comes() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="4")
    cluster.task("bad", **cpu())
    cluster.settle()
    assignment = cluster.objects["Assignment", "default", names(cluster)[0]]
    whole = assignment["spec"]["template"]
    put("spec.template", 7)(assignment)
    cluster.task("late", **cpu())
    kept = Reservations()
    for _ in range(3):
        assert not any(isinstance(a, Create) for p in plan_round(cluster.world(), None, kept).plans for a in p.actions)
    put("spec.template", whole)(assignment)
    plans = plan_round(cluster.world(), None, kept).plans
    assert any(isinstance(a, Create) for p in plans for a in p.actions), "it is open again"


def test_a_stray_that_can_not_be_read_is_left_to_the_garbage_collector() -> None:
    cluster = Cluster()
    cluster.server("s1")
    bad = cluster.task("bad", **cpu())
    cluster.settle()
    assignment = cluster.objects["Assignment", "default", names(cluster)[0]]
    put("spec.template", 7)(assignment)
    del cluster.objects["Task", "default", "bad"]
    assert acts(cluster) == []
    cluster.delete(assignment)  # as the garbage collector does, whom its owners tell
    assert acts(cluster) == [], "its agent has not stopped it yet"
    put("status.phase", "Stopped")(assignment)
    assert [type(action) for action in acts(cluster)] == [ReleaseFinalizer]
    assert bad["metadata"]["name"] == "bad"


@pytest.mark.parametrize("gang", [False, True])
def test_a_rollout_goes_around_it(gang: bool) -> None:
    """Of a gang nothing goes: part of it is no gang."""
    cluster = Cluster()
    cluster.server("s1", cpu="8")
    bad = cluster.task("bad", replicas=3, placement={"gang": gang}, **cpu())
    cluster.settle()
    before = names(cluster)
    put("spec.desired", "Paused")(cluster.objects["Assignment", "default", before[1]])
    cluster.change(bad, template={"command": ["other"]})
    for _ in range(30):
        cluster.round()
        cluster.agents()
    kept = [name for name in names(cluster) if name in before]
    assert kept == (before if gang else [before[1]]) and len(names(cluster)) == 3


def test_a_batch_goes_on_beside_it() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="8")
    bad = cluster.task("bad", type="Batch", completions=3, parallelism=2, **cpu())
    cluster.round()
    cluster.agents()
    odd = names(cluster)[0]
    put("spec.desired", "Paused")(cluster.objects["Assignment", "default", odd])
    for _ in range(10):
        cluster.round()
        for a in cluster.assignments():
            if a.name != odd and a.status.phase == "Running":
                put("status", {"phase": "Exited", "exitCode": 0, "finishedAt": "2026-01-01T00:00:00Z"})(
                    cluster.objects["Assignment", "default", a.name]
                )
        cluster.agents()
    assert bad["status"]["completedSlots"] == "1-2" and odd in names(cluster)
    assert told(bad)["Ready"][:2] == ("False", "Unreadable") and told(bad)["Complete"][0] == "False"


def test_the_phase_of_a_newer_agent_is_no_end() -> None:
    cluster = Cluster()
    cluster.server("s1")
    good = cluster.task("good", **cpu())
    cluster.settle()
    (name,) = names(cluster, "good")
    assignment = cluster.objects["Assignment", "default", name]
    put("status", {"phase": "Warming", "ready": True})(assignment)
    assert acts(cluster) == []
    cluster.round()
    assert told(good)["Ready"][:2] == ("True", "AllReady")
    cluster.change(good, replicas=0)
    cluster.settle()
    assert cluster.assignments() == [], "and it is stopped like any other"


# Servers and pools

SERVERS = {
    "an effect of a newer version": put("spec.taints", [{"key": "a", "effect": "NoStart"}]),
    "a spec that is none": put("spec", 7),
    "a pool that is none": put("spec.pool", {}),
    "labels that are none": put("metadata.labels", 7),
    "a status that is none": put("status.allocatable", "much"),
}


@pytest.mark.parametrize("broken", SERVERS.values(), ids=SERVERS)
@pytest.mark.parametrize("adopted", [False, True])
def test_what_runs_on_a_server_that_can_not_be_read_stays_and_nothing_more_comes(broken: Break, adopted: bool) -> None:
    cluster = Cluster()
    cluster.pool("p", **({"selector": {"zone": "a"}} if adopted else {}))
    s1 = cluster.server("s1", labels={"zone": "a"}, **({} if adopted else {"pool": "p"}))
    cluster.task("bad", placement={"pool": "p"}, **cpu())
    cluster.settle()
    before = names(cluster)
    broken(s1)
    cluster.server("s2")
    cluster.task("late", placement={"pool": "p"}, **cpu())
    cluster.task("anywhere", **cpu())
    cluster.settle()
    assert names(cluster) == before and names(cluster, "late") == []
    assert [a.spec.server for a in cluster.assignments() if a.task == "anywhere"] == ["s2"]
    assert told(s1)["Ready"][:2] == ("Unknown", "Unreadable")
    cluster.delete(s1)
    cluster.settle()
    assert names(cluster) == before and s1["metadata"]["finalizers"] == ["starlink.dev/drained"]


def test_a_server_that_can_not_be_read_is_lost_like_any_other_when_it_is_silent() -> None:
    cluster = Cluster()
    s1 = cluster.server("s1")
    cluster.task("bad", placement={"lostAfter": "12s"}, **cpu())
    cluster.settle()
    put("spec.taints", 7)(s1)
    cluster.server("s2")
    cluster.silence["s1"] = 100.0
    cluster.round()
    assert "s2" in {a.spec.server for a in cluster.assignments()}


POOLS = {
    "a strategy of a newer version": put("spec.strategy", "Bin"),
    "a spec that is none": put("spec", 7),
    "a selector that is none": put("spec.selector", "all"),
    "a quota that is none": put("spec.quota", "none"),
    "a status that is none": put("status.headroom", "none"),
}


@pytest.mark.parametrize("broken", POOLS.values(), ids=POOLS)
@pytest.mark.parametrize("adopts", [False, True])
def test_what_is_in_a_pool_that_can_not_be_read_stays_and_nothing_more_comes(broken: Break, adopts: bool) -> None:
    cluster = Cluster()
    pool = cluster.pool("p", **({"selector": {"zone": "a"}} if adopts else {}))
    s1 = cluster.server("s1", labels={"zone": "a"}, **({} if adopts else {"pool": "p"}))
    cluster.task("bad", placement={"pool": "p"}, **cpu())
    cluster.settle()
    before, finalizers = names(cluster), list(pool["metadata"]["finalizers"])
    broken(pool)
    cluster.server("s2")
    cluster.task("late", placement={"pool": "p"}, **cpu())
    cluster.settle()
    assert names(cluster) == before and names(cluster, "late") == []
    assert s1["status"]["pool"] == "p" and told(pool)["Ready"][:2] == ("Unknown", "Unreadable")
    cluster.delete(pool)
    del cluster.objects["Task", "default", "late"]
    cluster.settle()
    assert names(cluster) == before and pool["metadata"]["finalizers"] == finalizers


def test_previews_leave_alone_what_the_operator_does() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.server("s2")
    bad = cluster.task("bad", replicas=2, **cpu())
    cluster.task("odd", replicas=2, **cpu())
    cluster.settle()
    put("spec.template.runtime", "Container")(bad)
    put("spec.desired", "Paused")(cluster.objects["Assignment", "default", names(cluster, "odd")[0]])
    new = next(task for task in cluster.world().tasks.values() if task.name == "odd")
    assert proposals(cluster.world(), 5) == []
    shown = preview(cluster.world(), new)
    assert {row.action for row in shown.rows} == {"keep"} and not shown.unplaced
