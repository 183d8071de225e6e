"""Instances whose task names a pool leave a server that is moved to another."""

from tests.world import Cluster, Obj

from starlink.engine.round import POOL_CHANGED, plan_round
from starlink.planning.plan import DeleteAssignment


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
    leaving = [a for plan in plan_round(cluster.world()).plans for a in plan.actions if isinstance(a, DeleteAssignment)]
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
