"""A pool that is in use is held, says by whom, and nothing loses its place by it; a silent server says what helps."""

from typing import Any

from tests.world import Cluster, Obj

from starlink.api.labels import IN_USE_FINALIZER


def ready(obj: Obj) -> tuple[str, str]:
    found = next(one for one in obj["status"]["conditions"] if one["type"] == "Ready")
    return found["reason"], found["message"]


def edge(**spec: Any) -> tuple[Cluster, Obj]:
    cluster = Cluster()
    pool = cluster.pool("edge", selector={"rack": "a"})
    cluster.server("s1", labels={"rack": "a"})
    cluster.task("web", replicas=2, **spec)
    cluster.settle()
    return cluster, pool


def test_a_pool_is_held_while_tasks_name_it_and_instances_are_there() -> None:
    cluster, pool = edge(placement={"pool": "edge"})
    before = {a.name for a in cluster.assignments()}
    cluster.delete(pool)
    cluster.settle()
    assert ready(pool) == (
        "Terminating",
        "it is being deleted, and held by 1 task that names it (default/web) and 2 instances on its servers, which go "
        "on as they are: delete them or give them another pool, or let it go all the same with `starlink delete pool "
        "edge --force`",
    )
    assert {a.name for a in cluster.assignments()} == before and not any(a.stopping for a in cluster.assignments())
    cluster.delete(cluster.objects["Task", "default", "web"])
    cluster.settle()
    assert ("Pool", "", "edge") not in cluster.objects


def test_a_pool_is_held_by_instances_of_tasks_that_name_none() -> None:
    cluster, pool = edge()
    cluster.delete(pool)
    cluster.settle()
    assert ready(pool)[1].startswith("it is being deleted, and held by 2 instances on its servers, which")
    cluster.change(cluster.objects["Task", "default", "web"], replicas=0)
    cluster.settle()
    assert ("Pool", "", "edge") not in cluster.objects


def test_one_that_nobody_uses_goes_at_once_and_one_that_is_released_too() -> None:
    cluster, pool = edge(placement={"pool": "edge"})
    unused = cluster.pool("unused")
    cluster.settle()
    assert unused["metadata"]["finalizers"] == [IN_USE_FINALIZER]
    before = {a.name for a in cluster.assignments()}
    for one in (unused, pool):
        cluster.delete(one)
    cluster.settle()
    assert ("Pool", "", "unused") not in cluster.objects
    pool["metadata"]["finalizers"] = []
    cluster.delete(pool)  # as --force does
    cluster.objects.pop(("Pool", "", "edge"), None)
    cluster.settle()
    assert {a.name for a in cluster.assignments()} == before and not any(a.stopping for a in cluster.assignments())


def test_a_silent_server_that_is_deleted_says_at_once_what_helps() -> None:
    cluster, _ = edge()
    s1 = cluster.objects["Server", "", "s1"]
    cluster.silence["s1"] = 8.0
    cluster.delete(s1)
    cluster.settle()
    assert ready(s1) == (
        "Draining",
        "it is being deleted; 2 assignments have not stopped yet, and its agent is not heard: start the agent again, "
        "or say that the server is gone for good with `starlink delete server s1 --force`",
    )
