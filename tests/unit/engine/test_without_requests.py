"""Tasks that request nothing spread by how many instances servers have, where the strategy is Spread."""

from collections import Counter

from tests.world import Cluster


def ten_tasks(**pool: str) -> Counter[str]:
    cluster = Cluster()
    cluster.pool("edge", selector={"rack": "a"}, **pool)
    for name in ("s1", "s2", "s3"):
        cluster.server(name, labels={"rack": "a"})
    for number in range(10):
        cluster.task(f"t{number}")
    cluster.settle()
    return Counter(a.spec.server for a in cluster.assignments())


def test_ten_tasks_do_not_all_go_to_the_first_server() -> None:
    assert ten_tasks() == {"s1": 4, "s2": 3, "s3": 3}


def test_who_packs_does_not_spread_them() -> None:
    assert ten_tasks(strategy="Pack") == {"s1": 10}


def test_who_requests_something_goes_by_how_full_servers_are() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="8")
    cluster.server("s2", cpu="2")
    for number in range(4):
        template = {"command": ["run"], "resources": {"requests": {"cpu": "500m"}}}
        cluster.task(f"t{number}", template=template)
        cluster.settle()
    assert Counter(a.spec.server for a in cluster.assignments()) == {"s1": 4}
