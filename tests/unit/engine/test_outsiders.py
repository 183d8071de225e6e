"""What a pool says of instances that its changed spec would not let in."""

from typing import Any

from tests.world import Cluster, Obj


def task(cluster: Cluster, name: str, namespace: str, replicas: int, **placement: Any) -> Obj:
    spec = {"template": {"command": ["run"]}, "replicas": replicas, "placement": placement}
    return cluster.add({"kind": "Task", "metadata": {"name": name, "namespace": namespace}, "spec": spec})


def ready(pool: Obj) -> tuple[str, str]:
    found = next(one for one in pool["status"]["conditions"] if one["type"] == "Ready")
    return found["status"], found["message"]


def servers(cluster: Cluster, name: str) -> list[str]:
    return sorted(a.spec.server for a in cluster.assignments() if a.task == name)


def test_a_pool_that_closes_to_a_namespace_says_who_is_there_still_and_moves_nobody() -> None:
    cluster = Cluster()
    pool, other = cluster.pool("lab"), cluster.pool("edge", namespaces=["x"])
    cluster.server("s1", pool="lab")
    task(cluster, "web", "team", 2, pool="lab")
    task(cluster, "api", "x", 1, pool="lab")
    cluster.settle()
    assert ready(pool) == ("True", "1 of 1 server is ready")
    cluster.change(pool, namespaces=["x"])
    cluster.settle()
    assert ready(pool) == (
        "True",
        "1 of 1 server is ready; 2 instances are here against spec.namespaces (x): 2 of team/web on s1; they go on: "
        "delete their assignments to have them placed anew, or allow them again",
    )
    assert servers(cluster, "web") == ["s1", "s1"] and "against" not in ready(other)[1]
    cluster.change(pool, namespaces=["x", "team"])
    cluster.settle()
    assert ready(pool) == ("True", "1 of 1 server is ready")


def test_what_it_says_helps_with_an_architecture_that_is_no_longer_taken() -> None:
    cluster = Cluster()
    pool = cluster.pool("lab")
    cluster.server("arm", arch="arm64", pool="lab")
    task(cluster, "web", "default", 1, pool="lab")
    cluster.settle()
    cluster.server("amd", pool="lab")
    cluster.change(pool, architectures=["amd64"])
    cluster.settle()
    assert servers(cluster, "web") == ["arm"]
    assert "; 1 instance is here against spec.architectures (amd64): 1 of default/web on arm; " in ready(pool)[1]
    (found,) = cluster.assignments()
    cluster.delete(cluster.objects["Assignment", "default", found.name])
    cluster.settle()
    assert servers(cluster, "web") == ["amd"] and "against" not in ready(pool)[1]


def test_of_many_it_names_some() -> None:
    cluster = Cluster()
    pool = cluster.pool("lab")
    cluster.server("s1", pool="lab")
    for number in range(5):
        task(cluster, f"web-{number}", "team", 1, pool="lab")
    cluster.settle()
    cluster.change(pool, namespaces=["u", "v", "w", "x", "y"])
    cluster.settle()
    told = "5 instances are here against spec.namespaces (u, v, w and 2 more): 1 of team/web-0 on s1, 1 of team/web-1 on s1, 1 of "
    assert f"{told}team/web-2 on s1 and 2 more; they go on" in ready(pool)[1]
