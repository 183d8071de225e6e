"""Instances whose task names a pool leave a server that is moved to another."""

import pytest
from tests.world import Cluster, Obj

from starlink.engine.rounds.round import POOL_CHANGED, plan_round
from starlink.planning.plan import Delete


def placed(cluster: Cluster) -> dict[str, int]:
    servers = [a.spec.server for a in cluster.assignments() if not a.finished]
    return {name: servers.count(name) for name in sorted(set(servers))}


def two_pools() -> tuple[Cluster, Obj]:
    cluster = Cluster()
    cluster.pool("lab")
    cluster.pool("edge")
    cluster.server("s1", pool="lab")
    s2 = cluster.server("s2", pool="lab")
    cluster.server("s3", pool="edge")
    return cluster, s2


def test_they_leave_one_at_a_time() -> None:
    cluster, s2 = two_pools()
    cluster.task("web", replicas=4, placement={"pool": "lab"})
    cluster.settle()
    assert placed(cluster) == {"s1": 2, "s2": 2}
    cluster.change(s2, pool="edge")
    leaving = [a for plan in plan_round(cluster.world()).plans for a in plan.actions if isinstance(a, Delete)]
    assert [one.reason for one in leaving] == [POOL_CHANGED]
    cluster.settle()
    assert placed(cluster) == {"s1": 4}


def test_so_do_those_of_an_adopted_server() -> None:
    cluster = Cluster()
    cluster.pool("lab", selector={"room": "lab"})
    cluster.server("s1", labels={"room": "lab"})
    s2 = cluster.server("s2", labels={"room": "lab"})
    cluster.task("web", replicas=2, placement={"pool": "lab"})
    cluster.settle()
    s2["metadata"]["labels"]["room"] = "hall"
    cluster.change(s2)
    cluster.settle()
    assert placed(cluster) == {"s1": 2}


def test_those_that_name_no_pool_stay() -> None:
    cluster, s2 = two_pools()
    cluster.task("web", replicas=3)
    cluster.settle()
    before = placed(cluster)
    cluster.change(s2, pool="edge")
    cluster.settle()
    assert placed(cluster) == before == {"s1": 1, "s2": 1, "s3": 1}


def test_a_pool_that_is_not_there_moves_nobody() -> None:
    cluster, _ = two_pools()
    web = cluster.task("web", replicas=2, placement={"pool": "lab"})
    cluster.settle()
    cluster.change(web, placement={"pool": "typo"})
    cluster.settle()
    assert placed(cluster) == {"s1": 1, "s2": 1}


def ready(cluster: Cluster, kind: str = "Task", name: str = "web") -> str:
    status = cluster.objects[kind, "default" if kind == "Task" else "", name]["status"]
    return next(str(one["message"]) for one in status["conditions"] if one["type"] == "Ready")


@pytest.mark.parametrize("most", [0, 1, 2])
def test_no_more_are_missing_than_may_be_where_the_others_find_no_place(most: int) -> None:
    cluster, s2 = two_pools()
    cluster.server("s0", pool="lab", unschedulable=True)
    body = {"command": ["run"], "resources": {"requests": {"cpu": 2}}}
    web = cluster.task("web", replicas=4, template=body, placement={"pool": "lab"}, update={"maxUnavailable": most})
    cluster.settle()
    cluster.change(s2, pool="edge")
    cluster.settle()
    assert sum(placed(cluster).values()) == 4 - max(most, 1)
    assert f"is missing and update.maxUnavailable is {most}" in ready(cluster) or most == 2
    cluster.change(web, update={"maxUnavailable": 4})
    cluster.settle()
    assert placed(cluster) == {"s1": 2}


def test_a_taint_evicts_no_more_than_may_be_missing() -> None:
    cluster = Cluster()
    s1 = cluster.server("s1")
    body = {"command": ["run"], "resources": {"requests": {"cpu": 1}}}
    cluster.task("web", replicas=4, template=body)
    cluster.settle()
    cluster.change(s1, taints=[{"key": "x", "effect": "NoExecute"}])
    cluster.settle()
    assert placed(cluster) == {"s1": 3} and "raise update.maxUnavailable to 2" in ready(cluster)
    cluster.server("s2")
    cluster.settle()
    assert placed(cluster) == {"s2": 4}


def test_a_drain_waits_for_room_and_the_server_says_so() -> None:
    cluster = Cluster()
    s1 = cluster.server("s1")
    body = {"command": ["run"], "resources": {"requests": {"cpu": 1}}}
    cluster.task("web", replicas=4, template=body)
    cluster.settle()
    cluster.delete(s1)
    cluster.settle()
    assert placed(cluster) == {"s1": 3}
    assert ready(cluster, "Server", "s1").startswith(
        "it is being deleted; 3 assignments have not stopped yet; default/web: 3 of 4 instances are to be replaced, "
        "and wait: 1 of 4 instances is missing and update.maxUnavailable is 1: make room"
    )
    cluster.server("s2")
    cluster.settle()
    assert placed(cluster) == {"s2": 4} and ("Server", "", "s1") not in cluster.objects


def test_a_drain_of_fixed_counts_waits_for_nothing() -> None:
    cluster = Cluster()
    servers = [cluster.server(name) for name in ("s1", "s2")]
    cluster.server("s3")
    counts = [{"name": name, "replicas": 2} for name in ("s1", "s2", "s3")]
    cluster.task("web", servers=counts)
    cluster.settle()
    for server in servers:
        cluster.delete(server)
        cluster.settle()
    assert placed(cluster) == {"s3": 2}
