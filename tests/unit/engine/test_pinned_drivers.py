"""Drivers that are pinned to their servers: neither a cordon nor a quota is about them, and of a server they go last."""

from typing import Any

from tests.unit.engine.drivers import cluster_of, driver, of, on, told
from tests.world import Cluster

from starlink.api.meta import ObjectKey
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import plan_round

ASKING: dict[str, Any] = {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
RUN = {"command": ["run"], **ASKING}


def phase(cluster: Cluster, task: str) -> str:
    return str(cluster.objects["Task", "default", task]["status"]["phase"])


def test_a_cordon_keeps_tasks_away_and_no_pinned_driver() -> None:
    cluster = cluster_of("s1", unschedulable=True)
    cluster.task("gate", template=driver(), servers=on("s1"))
    cluster.task("anywhere", template=driver())
    cluster.task("web", template=RUN, servers=on("s1"))
    cluster.settle()
    assert [len(of(cluster, name)) for name in ("gate", "anywhere", "web")] == [1, 0, 0]
    assert "cordoned" in told(cluster, "anywhere", "Scheduled")


def test_no_quota_is_asked_for_it_nor_taken_by_it() -> None:
    cluster = cluster_of("s1", pool="edge")
    cluster.pool("edge", quota={"cpu": "1", "assignments": 1})
    gate = cluster.task("gate", template=driver(**ASKING), servers=on("s1"), placement={"pool": "edge"})
    cluster.settle()
    cluster.task("web", template=RUN, replicas=2, placement={"pool": "edge"})
    cluster.settle()
    assert len(of(cluster, "gate")) == 1 and len(of(cluster, "web")) == 1
    pool = cluster.objects["Pool", "", "edge"]["status"]
    assert pool["assignments"] == 1 and pool["allocated"] == {"cpu": "1", "memory": "1Gi"}
    server = cluster.objects["Server", "", "s1"]["status"]
    assert server["allocated"] == {"cpu": "2", "memory": "2Gi", "assignments": "2"}, "its server is charged"
    cluster.task("more", template=driver(**ASKING), servers=on("s1"), placement={"pool": "edge"})
    cluster.settle()
    assert len(of(cluster, "more")) == 1
    cluster.delete(gate)
    cluster.round()
    assert cluster.objects["Pool", "", "edge"]["status"]["assignments"] == 1, "nor while it stops, or its task is gone"


def test_its_server_must_have_room() -> None:
    cluster = cluster_of("s1", cpu="1")
    cluster.task("web", template=RUN)
    cluster.settle()
    cluster.task("gate", template=driver(**ASKING), servers=on("s1"))
    cluster.settle()
    assert of(cluster, "gate") == [] and "cpu" in told(cluster, "gate", "Scheduled")


def test_of_a_server_that_is_deleted_it_goes_last() -> None:
    cluster = cluster_of("s1", "s2")
    cluster.task("gate", template=driver(), servers=on("s1"))
    cluster.task("web", template=RUN, replicas=4)
    cluster.settle()
    assert {a.spec.server for a in of(cluster, "web")} == {"s1", "s2"}
    cluster.delete(cluster.objects["Server", "", "s1"])
    for _ in range(20):
        cluster.round()
        there = [a for a in cluster.assignments() if a.spec.server == "s1" and not a.finished]
        if any(a.task == "web" for a in there):
            assert [a.stopping for a in there if a.task == "gate"] == [False]
        cluster.agents()
    cluster.settle()
    assert ("Server", "", "s1") not in cluster.objects, "it is no obstacle"
    assert of(cluster, "gate") == [] and len(of(cluster, "web")) == 4


def test_an_eviction_is_about_it_too() -> None:
    cluster = cluster_of("s1")
    cluster.task("gate", template=driver(), servers=on("s1"))
    tolerates: dict[str, Any] = {"tolerations": [{"operator": "Exists"}]}
    cluster.task("stays", template=driver(), servers=on("s1"), placement=tolerates)
    cluster.settle()
    taints = [{"key": "a", "value": "", "effect": "NoExecute"}]
    cluster.change(cluster.objects["Server", "", "s1"], taints=taints)
    cluster.settle()
    assert of(cluster, "gate") == [] and len(of(cluster, "stays")) == 1


def test_what_it_takes_is_told_by_itself_whatever_its_task_is_now() -> None:
    cluster = cluster_of("s1", pool="edge")
    cluster.pool("edge", quota={"assignments": 1})
    gate = cluster.task("gate", template=driver(), servers=on("s1"))
    cluster.settle()
    del gate["spec"]["servers"]
    cluster.change(gate, suspend=True)
    kept = Reservations()
    plan_round(cluster.world(), [ObjectKey("default", "gate")], kept)
    cluster.task("web", template=RUN)
    plan_round(cluster.world(), [ObjectKey("default", "web")], kept)
    assert kept.fleet.quota_used["edge"] == {}
