"""What is reserved follows the world, and nothing is left of what has gone."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.world import Cluster

from starlink.engine.rounds import reservations
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


def test_what_did_not_change_is_not_looked_into_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ten thousand tasks a look at each would cost more than a round of a hundred that want a server."""
    looks: list[str] = []
    is_so = reservations._is_so

    def looked(group: Any, task: Any, *given: Any) -> bool:
        looks.append(task.name)
        return is_so(group, task, *given)

    monkeypatch.setattr(reservations, "_is_so", looked)
    cluster, kept = Cluster(), Reservations()
    cluster.server("s1")
    cluster.server("s2")
    for name in ("a", "b"):
        cluster.task(name)
    cluster.task("apart", placement={"antiAffinity": [{"taskSelector": {"app": "x"}}]})
    cluster.settle()
    world = cluster.world()

    def follow_world(tasks: Any, silence: Any) -> None:
        looks.clear()
        now = replace(world, tasks=tasks, silence=silence)
        pools = effective_pools(now)
        kept.follow(now, pools, assess(now, pools), Neighbours(now.tasks))

    heard = dict.fromkeys(world.servers, 0.0)
    follow_world(world.tasks, heard)
    follow_world(world.tasks, heard)
    assert looks == ["apart"], "whom it keeps away depends on others"
    key = next(key for key in world.tasks if key.name == "a")
    changed = {**world.tasks, key: msgspec.structs.replace(world.tasks[key])}
    follow_world(changed, heard)
    assert sorted(looks) == ["a", "apart"]
    follow_world(changed, heard)
    assert looks == ["apart"], "it was looked into once"
    follow_world(changed, dict.fromkeys(world.servers, 60.0))
    assert sorted(looks) == ["a", "apart", "b"], "silence may have lost each"
    follow_world(changed, heard)
    assert len(kept.fleet.charges) == 3 and all(charge.counted for charge in kept.fleet.charges.values())
