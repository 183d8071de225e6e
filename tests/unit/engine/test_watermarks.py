"""Watermarks over rounds: the instance that crosses one is the last, until its pool is below the low one."""

from typing import Any

import pytest
from tests.world import Cluster, Obj

from starlink.api.meta import ObjectKey
from starlink.engine.foresight.preview import preview
from starlink.engine.rounds.round import plan_round
from starlink.planning.plan import Create


def cluster_with(high: int, low: int) -> tuple[Cluster, Obj]:
    """A pool of two servers of 4 cpu each."""
    cluster = Cluster()
    for name in ("a1", "a2"):
        cluster.server(name, pool="pa")
    return cluster, cluster.pool("pa", watermarks={"cpu": {"high": high, "low": low}})


def task(cluster: Cluster, name: str, replicas: int, **placement: Any) -> Obj:
    template = {"command": ["run"], "resources": {"requests": {"cpu": "1"}}}
    return cluster.task(name, template=template, replicas=replicas, placement={"pool": "pa", **placement})


def running(cluster: Cluster) -> int:
    return sum(1 for a in cluster.assignments() if not a.finished and not a.stopping)


def told(obj: Obj, kind: str) -> tuple[str, str]:
    return next((one["status"], one.get("message", "")) for one in obj["status"]["conditions"] if one["type"] == kind)


@pytest.mark.parametrize(("high", "most"), [(25, 3), (30, 3), (50, 5), (1, 1), (99, 8), (100, 8)])
def test_a_task_is_placed_until_one_crosses_the_watermark(high: int, most: int) -> None:
    cluster, pool = cluster_with(high, 1)
    web = task(cluster, "web", 8)
    planned = preview(cluster.world(), cluster.world().tasks[ObjectKey("default", "web")])
    assert planned.unplaced == 8 - most
    cluster.settle()
    assert running(cluster) == most
    if most < 8:
        assert f"{100 * most / 8:.0f} % of cpu is requested (high {high} %" in told(pool, "BelowWatermark")[1]
        assert "2 in pools above their high watermark (pa)" in told(web, "Scheduled")[1]


@pytest.mark.parametrize("at_once", [True, False])
def test_as_many_tasks_come_whether_in_one_round_or_in_many(at_once: bool) -> None:
    cluster, _ = cluster_with(50, 20)
    for number in range(8):
        task(cluster, f"t{number}", 1)
        if not at_once:
            cluster.settle()
    if at_once:
        created = [a for plan in plan_round(cluster.world()).plans for a in plan.actions]
        assert sum(isinstance(action, Create) for action in created) == 5
    cluster.settle()
    assert running(cluster) == 5


def test_a_pool_that_was_above_is_closed_until_it_is_below_low_and_then_open_up_to_high() -> None:
    cluster, pool = cluster_with(50, 30)
    web = task(cluster, "web", 5)
    cluster.settle()
    assert told(pool, "BelowWatermark")[0] == "False" and pool["status"]["headroom"] == {"cpu": "0", "memory": "0"}
    cluster.change(web, replicas=3)
    cluster.settle()
    task(cluster, "late", 4)
    cluster.settle()
    assert running(cluster) == 3 and told(pool, "BelowWatermark")[0] == "False"
    cluster.change(web, replicas=2)
    cluster.settle()
    assert running(cluster) == 5 and told(pool, "BelowWatermark")[0] == "False"


def test_headroom_is_there_again_below_the_watermark() -> None:
    cluster, pool = cluster_with(50, 30)
    web = task(cluster, "web", 5)
    cluster.settle()
    cluster.change(web, replicas=1)
    cluster.settle()
    assert told(pool, "BelowWatermark")[0] == "True" and pool["status"]["headroom"]["cpu"] == "7"


def test_a_low_watermark_of_none_opens_when_nothing_is_requested() -> None:
    """Of a pool that an earlier schema let in."""
    cluster, pool = cluster_with(50, 0)
    web = task(cluster, "web", 5)
    cluster.settle()
    cluster.change(web, replicas=0)
    cluster.settle()
    assert told(pool, "BelowWatermark")[0] == "True"
    cluster.change(web, replicas=2)
    cluster.settle()
    assert running(cluster) == 2


def test_nobody_makes_others_go_in_a_pool_above_its_watermark() -> None:
    """What is told to stop is requested until it has stopped."""
    cluster, _ = cluster_with(90, 20)
    task(cluster, "low", 8)
    cluster.settle()
    task(cluster, "high", 2, priority=5)
    cluster.settle()
    assert sorted({a.task for a in cluster.assignments() if not a.finished and not a.stopping}) == ["low"]


def test_who_crosses_the_watermark_by_making_others_go_is_the_last() -> None:
    cluster, pool = cluster_with(100, 100)
    task(cluster, "low", 8).setdefault("spec", {})["update"] = {"maxUnavailable": 8}
    cluster.settle()
    task(cluster, "high", 3, priority=5)
    plans = plan_round(cluster.world()).plans
    assert sum(isinstance(action, Create) for plan in plans for action in plan.actions) == 1
    assert told(pool, "BelowWatermark")[0] == "True"
    cluster.settle()
    assert sum(1 for a in cluster.assignments() if a.task == "high" and not a.finished) == 3


def test_a_gang_that_would_cross_the_watermark_says_what_it_takes() -> None:
    cluster, pool = cluster_with(25, 20)
    gang = task(cluster, "gang", 6, gang=True)
    cluster.settle()
    assert not running(cluster)
    assert "raise pool pa's watermarks.cpu.high to 63" in told(gang, "Scheduled")[1]
    cluster.change(pool, watermarks={"cpu": {"high": 62, "low": 20}})
    cluster.settle()
    assert not running(cluster)
    cluster.change(pool, watermarks={"cpu": {"high": 63, "low": 20}})
    cluster.settle()
    assert running(cluster) == 6
