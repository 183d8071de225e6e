"""A world is what a planner may look at: objects by key, those of an owner, and those that can't be read."""

from typing import Any

import pytest
from tests.world import Cluster

from starlink.api.kinds import POOL, SERVER, STARLINK_KINDS, TASK
from starlink.api.meta import ObjectKey
from starlink.planning.contract import ASSIGNMENTS, POOLS, SERVERS, TASKS, Known, Sight


@pytest.fixture
def cluster() -> Cluster:
    """A pool, two servers, and two tasks that run."""
    cluster = Cluster()
    cluster.pool("edge")
    for name in ("s1", "s2"):
        cluster.server(name)
    cluster.task("web", replicas=2)
    cluster.task("api")
    cluster.settle()
    return cluster


@pytest.mark.parametrize(("known", "number"), [(TASKS, 2), (SERVERS, 2), (POOLS, 1), (ASSIGNMENTS, 3)])
def test_it_has_the_objects_of_a_kind_by_their_keys(cluster: Cluster, known: Known[Any], number: int) -> None:
    sight: Sight = cluster.world()
    found = sight.all(known)
    assert len(found) == number
    assert all(obj.key == key and isinstance(obj, known.view) for key, obj in found.items())


def test_it_has_those_that_an_owner_controls_by_namespace_and_name(cluster: Cluster) -> None:
    sight: Sight = cluster.world()
    web = sight.all(TASKS)[ObjectKey("default", "web")]
    owned = sight.owned(ASSIGNMENTS, web)
    assert [assignment.task for assignment in owned] == ["web", "web"]
    assert [assignment.key for assignment in owned] == sorted(assignment.key for assignment in owned)
    assert sight.owned(TASKS, web) == []


def test_it_says_what_can_not_be_read_and_why(cluster: Cluster) -> None:
    for kind, namespace, name in (("Task", "default", "web"), ("Server", "", "s1"), ("Pool", "", "edge")):
        cluster.objects[kind, namespace, name]["status"] = 7
    sight: Sight = cluster.world()
    unreadable = {kind: sight.unreadable(kind) for kind in STARLINK_KINDS}
    assert {kind: list(found) for kind, found in unreadable.items() if found} == {
        TASK: [ObjectKey("default", "web")],
        SERVER: [ObjectKey("", "s1")],
        POOL: [ObjectKey("", "edge")],
    }
    assert all(why.startswith("status: ") for found in unreadable.values() for why in found.values())
