"""Quota that others have to give back first: who waits for it, who keeps it, and what the next leader makes of it."""

from collections.abc import Collection
from typing import Any

from tests.world import Cluster

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import Round, plan_round
from starlink.planning.attempt import is_stop
from starlink.planning.plan import Create


class Leader:
    """One that leads a cluster and has followed it since it began to."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.reservations = cluster, Reservations()

    def round(self, *dirty: str) -> Round:
        """One round, of these tasks or of all."""
        keys = {ObjectKey("default", name) for name in dirty} or None
        planned = plan_round(self.cluster.world(), keys, self.reservations)
        for plan in planned.plans:
            for action in plan.actions:
                self.cluster.apply(action)
        return planned


def template(cpu: str = "1") -> dict[str, Any]:
    return {"command": ["run"], "resources": {"requests": {"cpu": cpu}}}


def full_pool(quota: int = 2, **low: Any) -> Cluster:
    """A pool of two servers whose quota two instances on s1 have used up."""
    cluster = Cluster()
    cluster.pool("lab", quota={"assignments": quota})
    cluster.server("s1", pool="lab")
    s2 = cluster.server("s2", pool="lab", unschedulable=True)
    cluster.task("low", template=template(), replicas=quota, placement={"pool": "lab"}, **low)
    cluster.settle()
    cluster.change(s2, unschedulable=False)
    return cluster


def high(cluster: Cluster, name: str = "high", replicas: int = 1, priority: int = 10, server: str = "s2") -> None:
    counts = [{"name": server, "replicas": replicas}]
    cluster.task(name, template=template(), servers=counts, placement={"priority": priority, "pool": "lab"})


def of(cluster: Cluster, task: str) -> list[Assignment]:
    return [a for a in cluster.assignments() if a.task == task]


def told(cluster: Cluster) -> list[str]:
    return [a.name for a in cluster.assignments() if a.spec.reason == "Preempted"]


def running(cluster: Cluster, task: str) -> int:
    return sum(1 for a in of(cluster, task) if not a.finished and not a.stopping)


def scheduled(cluster: Cluster, task: str) -> tuple[str, str]:
    found = cluster.objects["Task", "default", task]["status"]["conditions"]
    return next((one["reason"], one.get("message", "")) for one in found if one["type"] == "Scheduled")


def stopped(cluster: Cluster, names: Collection[str]) -> None:
    for name in names:
        cluster.report_named(name, phase="Stopped", ready=False, finishedAt="2025-06-15T15:06:40Z")


def test_it_is_created_only_when_the_quota_is_free() -> None:
    cluster = full_pool()
    high(cluster)
    leader = Leader(cluster)
    planned = leader.round()
    leader.round()
    (victim,) = told(cluster)
    assert not of(cluster, "high") and ObjectKey("default", "high") in planned.unplaced
    assert scheduled(cluster, "high") == (
        "Waiting", f"1 waits for 1 instance to stop and free quota: default/{victim} on s1",
    )  # fmt: skip
    events = [one for one in cluster.events if (one.key.name, one.lasting) == ("high", True)]
    assert [(one.type, one.reason) for one in events] == [("Normal", "Waiting")] and victim in events[0].message
    conditions = {one["type"]: one for one in cluster.objects["Task", "default", "high"]["status"]["conditions"]}
    assert (conditions["Stalled"]["status"], conditions["Reconciling"]["status"]) == ("False", "True")
    assert conditions["Ready"]["message"] == ("0 of 1 instance is ready; 1 waits for 1 instance to stop and free quota")
    stopped(cluster, [victim])
    leader.round()
    (newcomer,) = of(cluster, "high")
    assert newcomer.spec.server == "s2" and not newcomer.spec.wait_for
    assert scheduled(cluster, "high")[0] == "AllPlaced" and not leader.reservations.waiting


def test_room_and_quota_of_one_victim_are_waited_for_before_it_is_created() -> None:
    cluster = Cluster()
    cluster.pool("lab", quota={"assignments": 1})
    cluster.server("s1", cpu="1", pool="lab")
    cluster.task("low", template=template(), placement={"pool": "lab"})
    cluster.settle()
    high(cluster, server="s1")
    leader = Leader(cluster)
    leader.round()
    assert len(told(cluster)) == 1 and not of(cluster, "high")
    stopped(cluster, told(cluster))
    leader.round()
    assert len(of(cluster, "high")) == 1


def test_whoever_leads_next_seeks_no_further_victims() -> None:
    cluster = full_pool(quota=3, update={"maxUnavailable": 3})
    high(cluster, replicas=2)
    Leader(cluster).round()
    victims = told(cluster)
    assert len(victims) == 2
    for _ in range(3):
        Leader(cluster).round()
        assert told(cluster) == victims and not of(cluster, "high")
    stopped(cluster, victims[:1])
    Leader(cluster).round("high")
    assert len(of(cluster, "high")) == 1 and told(cluster) == victims


def test_a_leader_that_ends_before_all_are_told_is_followed_by_one_that_tells_the_rest() -> None:
    cluster = full_pool(quota=3, update={"maxUnavailable": 3})
    high(cluster, replicas=2)
    stops = [a for p in plan_round(cluster.world()).plans for a in p.actions if is_stop(a)]
    assert len(stops) == 2
    cluster.apply(stops[0])
    Leader(cluster).round()
    assert len(told(cluster)) == 2 and not of(cluster, "high")


def test_nobody_of_lower_priority_takes_what_is_freed_also_in_a_round_of_their_own() -> None:
    cluster = full_pool(quota=4, update={"maxUnavailable": 4})
    high(cluster, replicas=2)
    cluster.change(cluster.objects["Task", "default", "high"], placement={"gang": True, "pool": "lab", "priority": 10})
    leader = Leader(cluster)
    leader.round()
    first, second = told(cluster)
    stopped(cluster, [first])
    leader.round("high")
    cluster.task("mid", template=template(), placement={"pool": "lab", "priority": 5})
    planned = leader.round("mid", "low")
    assert [a for p in planned.plans for a in p.actions if isinstance(a, Create)] == []
    stopped(cluster, [second])
    leader.round()
    assert running(cluster, "high") == 2


def test_who_waits_no_longer_holds_nothing() -> None:
    cluster = full_pool()
    high(cluster)
    leader = Leader(cluster)
    leader.round()
    cluster.delete(cluster.objects["Task", "default", "high"])
    stopped(cluster, told(cluster))
    leader.round("high")
    leader.round("low")
    assert running(cluster, "low") == 2 and not leader.reservations.waiting


def test_who_gave_back_what_it_borrowed_does_not_borrow_it_again_whatever_its_priority() -> None:
    cluster = Cluster()
    for name in ("lab", "edge"):
        cluster.pool(name, quota={"assignments": 1}, cohort="all", lend={"assignments": 1})
    cluster.server("s1", pool="edge")
    cluster.server("s2", pool="lab")
    cluster.task("borrower", replicas=2, placement={"pool": "edge", "priority": 90}, update={"maxUnavailable": 2})
    cluster.settle()
    assert running(cluster, "borrower") == 2
    high(cluster, "owner", priority=0)
    leader = Leader(cluster)
    leader.round()
    assert len(told(cluster)) == 1 and not of(cluster, "owner")
    stopped(cluster, told(cluster))
    leader.round("borrower")
    assert running(cluster, "borrower") == 1
    leader.round()
    assert running(cluster, "owner") == 1 and running(cluster, "borrower") == 1


def test_who_names_no_pool_goes_where_the_quota_was_freed_for_it() -> None:
    cluster = Cluster()
    quota = {"assignments": 9, "cpu": 2}
    cluster.pool("lab", quota=quota, cohort="all", lend={"assignments": 9, "cpu": 2})
    cluster.pool("edge", quota={"assignments": 9, "cpu": 0}, cohort="all", lend={"assignments": 9})
    cluster.server("s1", cpu="2", pool="lab")
    edge = cluster.server("s2", cpu="64", pool="edge", unschedulable=True)
    cluster.task("low", template=template("2"), placement={"pool": "lab"})
    cluster.settle()
    cluster.change(edge, unschedulable=False)
    cluster.task("any", template=template("2"), placement={"priority": 10})
    leader = Leader(cluster)
    leader.round()
    assert len(told(cluster)) == 1 and leader.reservations.waiting
    stopped(cluster, told(cluster))
    leader.round()
    assert [a.spec.server for a in of(cluster, "any")] == ["s1"]


def test_the_quota_of_one_that_is_lost_while_it_stops_is_not_waited_for() -> None:
    cluster = full_pool()
    high(cluster)
    leader = Leader(cluster)
    leader.round()
    assert not of(cluster, "high")
    cluster.silence["s1"] = 60.0
    leader.round("high")
    assert len(of(cluster, "high")) == 1


def test_who_would_borrow_has_no_right_to_what_another_pool_has_for_its_own() -> None:
    """The lower priority waits for the quota of its own instance that stops; its pool has none for it."""
    cluster = Cluster()
    cluster.pool("pa", quota={"cpu": 2}, cohort="all", lend={"cpu": 1})
    cluster.pool("pb", quota={"cpu": 1}, cohort="all")
    cluster.server("s1", pool="pa")
    cluster.server("s2", pool="pb")
    cluster.task("b", template=template("500m"), replicas=4, placement={"pool": "pb"})
    cluster.settle()
    cluster.task("a", template=template("500m"), replicas=4, placement={"pool": "pa", "priority": 50})
    cluster.settle()
    assert (running(cluster, "a"), running(cluster, "b")) == (3, 3)
    assert "default/b's update.maxUnavailable is 1 and 1 of its 4 instances is missing" in scheduled(cluster, "a")[1]
    leader = Leader(cluster)
    cluster.delete(cluster.objects["Assignment", "default", of(cluster, "b")[0].name])
    leader.round("b")
    cluster.agents()
    leader.round("a", "b")
    assert (running(cluster, "a"), running(cluster, "b")) == (4, 2)


def test_who_waits_to_borrow_is_not_robbed_for_ever_by_others_who_borrow() -> None:
    """Three pools' worth of wishes that go round in a circle when the highest priority always comes first."""
    cluster = Cluster()
    cluster.pool("p", quota={"assignments": 1, "cpu": 4}, cohort="c", lend={"cpu": 2})
    cluster.pool("q", quota={"assignments": 3, "cpu": 3}, cohort="c", lend={"assignments": 2, "cpu": 1})
    for name, cpu, pool in (("s0", "3", "p"), ("s1", "4", "q"), ("s2", "4", "p")):
        cluster.server(name, cpu=cpu, pool=pool)

    def task(name: str, replicas: int, cpu: str, priority: int, most: int, **pool: str) -> None:
        placement = {"priority": priority, **pool}
        cluster.task(
            name, template=template(cpu), replicas=replicas, placement=placement, update={"maxUnavailable": most}
        )

    task("t1", 3, "2", 0, 1, pool="q")
    task("t2", 1, "2", 0, 3, pool="q")
    task("t3", 2, "2", 1, 2, pool="q")
    task("t4", 2, "500m", 0, 3)
    task("t5", 3, "2", 3, 2, pool="p")
    leader = Leader(cluster)
    for _ in range(20):
        leader.round()
        cluster.agents()
    assert not any(plan.acts for plan in leader.round().plans)
