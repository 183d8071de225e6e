"""Pools and servers of a file, as if they were applied."""

import msgspec
from tests.world import Cluster

from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.engine.foresight.headroom import estimates
from starlink.engine.foresight.overlay import overlaid
from starlink.engine.foresight.preview import preview
from starlink.planning.telling import in_words


def task(**spec: object) -> Task:
    template = {"command": ["run"], "resources": {"requests": {"cpu": 1}}}
    body = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"template": template, **spec}}
    return msgspec.convert(body, Task)


def pool(name: str, **spec: object) -> Pool:
    return msgspec.convert({"metadata": {"name": name}, "spec": spec}, Pool)


def test_a_new_pool_takes_the_servers_that_it_adopts_within_its_quota() -> None:
    cluster = Cluster()
    cluster.server("s1", labels={"zone": "za"})
    cluster.server("s2", labels={"zone": "zb"})
    world = overlaid(cluster.world(), [pool("new", selector={"zone": "za"}, quota={"cpu": 2})], ())
    found = preview(world, task(replicas=3, placement={"pool": "new"}))
    assert [(row.server, len(row.slots)) for row in found.rows] == [("s1", 2)]
    assert found.unplaced == 1 and found.why is not None and "quota.cpu" in in_words(found.why)


def test_a_changed_pool_keeps_what_is_observed_of_it() -> None:
    cluster = Cluster()
    cluster.server("s1", pool="edge")
    cluster.pool("edge", quota={"cpu": 1})
    cluster.settle()
    before = cluster.world()
    after = overlaid(before, [pool("edge", quota={"cpu": 2})], ())
    assert after.pools["edge"].spec.quota.cpu == 2
    assert after.pools["edge"].status == before.pools["edge"].status
    assert preview(before, task(replicas=2)).unplaced == 1 and preview(after, task(replicas=2)).unplaced == 0


def test_a_server_is_as_declared_and_a_new_one_takes_nothing() -> None:
    cluster = Cluster()
    cluster.server("s1")
    declared = [{"metadata": {"name": name}, "spec": {"unschedulable": True}} for name in ("s1", "s9")]
    world = overlaid(cluster.world(), (), msgspec.convert(declared, list[Server]))
    assert [*world.servers] == ["s1"]
    assert preview(world, task()).unplaced == 1


def test_a_new_pools_room_can_not_be_told_by_headroom() -> None:
    world = overlaid(Cluster().world(), [pool("new", selector={"zone": "za"})], ())
    (found,) = estimates(world, [task(replicas=3, placement={"pool": "new"})])
    assert (found.fits, found.wanted, found.short) == (0, 3, False)
    assert found.notes == ("the operator has not told the headroom of pool new yet: it may take more",)
    (found,) = estimates(world, [task(placement={"pool": "nwe"})])
    assert found.short
