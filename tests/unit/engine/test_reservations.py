"""What is reserved follows the world, and nothing is left of what has gone."""

from tests.world import Cluster

from starlink.engine.rounds.neighbours import Neighbours
from starlink.engine.rounds.reservations import Reservations
from starlink.planning.health import assess
from starlink.planning.pool import effective_pools


def follow(kept: Reservations, cluster: Cluster) -> None:
    world = cluster.world()
    pools = effective_pools(world)
    kept.follow(world, pools, assess(world, pools), Neighbours(world.tasks))


def test_tasks_that_came_and_went_leave_nothing() -> None:
    cluster, kept = Cluster(), Reservations()
    cluster.server("s1")
    for number in range(30):
        artifact = {"url": "https://example.com/a.tgz", "sha256": f"{number:064}"}
        task = cluster.task(
            f"t{number}",
            template={"command": ["run"], "artifact": artifact, "resources": {"requests": {"cpu": f"{number}m"}}},
            placement={"architectures": ["amd64"]},
        )
        cluster.settle()
        follow(kept, cluster)
        assert (len(kept.loads), len(kept._artifacts), len(kept.fleet.charges)) == (1, 1, 1)
        cluster.delete(task)
        cluster.settle()
    follow(kept, cluster)
    assert (len(kept.loads), len(kept._artifacts), len(kept.fleet.charges)) == (0, 0, 0)
    assert not kept.fleet.groups
