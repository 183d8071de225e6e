"""A gang is whole or absent, also when it changes, leaves, grows, or makes room."""

from typing import Any

import pytest
from tests.world import Cluster, Obj

from starlink.api.meta import ObjectKey
from starlink.engine.foresight.preview import previews
from starlink.planning.attempt import is_stop
from starlink.planning.plan import Action, Delete


def template(cpu: str = "1", **more: Any) -> dict[str, Any]:
    return {"command": ["run"], "resources": {"requests": {"cpu": cpu}}, **more}


def racks(cpu: str = "4", number: int = 2) -> Cluster:
    cluster = Cluster()
    for one in range(number):
        cluster.server(f"s{one}", cpu=cpu)
    return cluster


def gang(cluster: Cluster, replicas: int, name: str = "gang", cpu: str = "1", **spec: Any) -> Obj:
    placement = {"gang": True, **spec.pop("placement", {})}
    made = cluster.task(name, template=template(cpu), replicas=replicas, placement=placement, **spec)
    cluster.settle()
    return made


def cpus(cluster: Cluster, task: str = "gang") -> list[str]:
    live = [a for a in cluster.assignments() if a.task == task and a.status.ready and not a.stopping]
    return sorted(str(a.spec.template.resources.requests["cpu"]) for a in live)


def told(cluster: Cluster, task: str = "gang", word: str = "Ready") -> str:
    conditions = cluster.objects["Task", "default", task]["status"]["conditions"]
    return next(str(one["message"]) for one in conditions if one["type"] == word)


def test_a_changed_gang_that_fits_is_replaced_at_once_whatever_its_budget() -> None:
    cluster = racks()
    made = gang(cluster, 4)
    cluster.change(made, template=template("2"))
    cluster.round()
    assert sum(a.stopping for a in cluster.assignments()) == 4
    cluster.settle()
    assert cpus(cluster) == ["2"] * 4


@pytest.mark.parametrize("most", [0, 1, "100%"])
def test_a_changed_gang_that_does_not_fit_runs_on_and_says_why(most: int | str) -> None:
    cluster = racks()
    made = gang(cluster, 4, update={"maxUnavailable": most})
    cluster.change(made, template=template("3"))
    cluster.settle()
    assert cpus(cluster) == ["1"] * 4
    assert "is replaced once all 4 of it fit, and the 4 that run go on until then: 0 of 2 servers fit" in told(cluster)
    assert "none of it is placed" not in told(cluster)
    cluster.server("s2")
    cluster.server("s3")
    cluster.settle()
    assert cpus(cluster) == ["3"] * 4


def test_a_gang_that_grows_and_changes_does_both_or_neither() -> None:
    cluster = racks()
    made = gang(cluster, 2)
    cluster.change(made, replicas=3, template=template("3"))
    cluster.settle()
    assert cpus(cluster) == ["1", "1"]
    cluster.server("s2")
    cluster.settle()
    assert cpus(cluster) == ["3"] * 3


def test_all_that_a_gang_grows_by_is_placed_or_none_and_what_runs_is_told() -> None:
    cluster = racks("2")
    made = gang(cluster, 3)
    cluster.change(made, replicas=6)
    cluster.settle()
    assert len(cpus(cluster)) == 3
    assert "2 more instances of the gang, of which 3 run, beside the 1 that would fit: " in told(cluster)
    cluster.change(made, replicas=4)
    cluster.settle()
    assert len(cpus(cluster)) == 4


def test_a_gang_leaves_a_server_whole_or_stays_and_the_server_says_for_whom_it_waits() -> None:
    cluster = racks()
    gang(cluster, 6)
    cluster.delete(cluster.objects["Server", "", "s0"])
    cluster.settle()
    assert len(cpus(cluster)) == 6
    conditions = cluster.objects["Server", "", "s0"]["status"]["conditions"]
    draining = next(one["message"] for one in conditions if one["type"] == "Ready")
    assert "default/gang: its gang goes once all of it fits as it would be" in draining
    cluster.server("s2")
    cluster.settle()
    assert len(cpus(cluster)) == 6 and ("Server", "", "s0") not in cluster.objects


def test_a_gang_whose_pool_has_too_little_quota_stays_where_it_is() -> None:
    cluster = Cluster()
    cluster.pool("pa")
    pb = cluster.pool("pb", quota={"cpu": 1})
    cluster.server("a", pool="pa")
    cluster.server("b", pool="pb")
    made = gang(cluster, 4, placement={"pool": "pa"})
    cluster.change(made, placement={"pool": "pb"})
    cluster.settle()
    assert {a.spec.server for a in cluster.assignments()} == {"a"} and len(cpus(cluster)) == 4
    cluster.change(pb, quota={"cpu": 4})
    cluster.settle()
    assert {a.spec.server for a in cluster.assignments()} == {"b"} and len(cpus(cluster)) == 4


@pytest.mark.parametrize(("most", "left"), [(1, 8), (7, 8), ("100%", 0)])
def test_a_gang_makes_room_whole_if_its_budget_allows_for_all_of_it(most: int | str, left: int) -> None:
    cluster = racks()
    gang(cluster, 8, update={"maxUnavailable": most})
    cluster.task("high", template=template(), placement={"priority": 5})
    (planned,) = previews(cluster.world(), [cluster.world().tasks[ObjectKey("default", "high")]])
    assert len(planned.victims) == 8 - left
    cluster.settle()
    assert len(cpus(cluster)) == left and len(cpus(cluster, "high")) == (0 if left else 1)
    if left:
        why = told(cluster, "high", "Scheduled")
        assert "1 more instance: " in why and "raise it to 8" in why
    else:
        assert "beside the 7 that would fit, so that none of it is placed" in told(cluster)


def test_who_is_of_no_gang_makes_room_before_one_who_is() -> None:
    cluster = racks(number=1)
    gang(cluster, 3, name="a-gang", update={"maxUnavailable": "100%"})
    cluster.task("plain", template=template())
    cluster.settle()
    cluster.task("high", template=template(), placement={"priority": 5})
    cluster.settle()
    assert len(cpus(cluster, "a-gang")) == 3 and len(cpus(cluster, "plain")) == 0


def test_what_comes_next_takes_the_room_of_a_gang_that_goes_anyway() -> None:
    cluster = racks()
    gang(cluster, 4, name="a-gang", update={"maxUnavailable": "100%"})
    cluster.task("plain", template=template(), replicas=4, update={"maxUnavailable": "100%"})
    cluster.settle()
    cluster.task("high", template=template("3"), replicas=2, placement={"priority": 5})
    cluster.settle()
    assert len(cpus(cluster, "high")) == 2 and len(cpus(cluster, "a-gang")) in (0, 4)


def test_the_next_leader_ends_what_was_begun_with_a_gang() -> None:
    cluster = racks()
    gang(cluster, 8, update={"maxUnavailable": "100%"})
    cluster.task("high", template=template(), placement={"priority": 5})
    stops = []

    def dies(action: Action) -> bool:
        stops.append(action) if is_stop(action) else None
        return len(stops) > 1

    cluster.round(fails=dies)
    assert sum(a.stopping for a in cluster.assignments()) == 1
    cluster.settle()
    assert len(cpus(cluster)) == 0 and len(cpus(cluster, "high")) == 1


def test_a_gang_that_stops_one_by_one_comes_back_at_once() -> None:
    cluster = racks()
    made = gang(cluster, 4)
    cluster.change(made, template=template("2"))
    cluster.round()
    names = sorted(a.name for a in cluster.assignments())
    for name in names:
        assert cluster.agents([name])
        cluster.round()
        new = [a for a in cluster.assignments() if str(a.spec.template.resources.requests["cpu"]) == "2"]
        assert len(new) == (4 if name == names[-1] else 0)


def test_a_gang_in_flight_is_not_replaced_while_a_server_of_it_is_silent() -> None:
    cluster = racks()
    made = gang(cluster, 4, placement={"lostAfter": "1h"})
    cluster.silence["s0"] = 30.0
    cluster.change(made, template=template("500m"))
    plans = cluster.round()
    assert not [a for plan in plans for a in plan.actions if isinstance(a, Delete)]
    assert "waits for s0: silent" in told(cluster)
    cluster.silence["s0"] = 0.0
    cluster.settle()
    assert cpus(cluster) == ["500m"] * 4


def test_a_batch_that_is_a_gang_makes_room_whole_and_comes_back_whole() -> None:
    cluster = racks("2")
    batch = {"type": "Batch", "completions": 4, "parallelism": 4, "update": {"maxUnavailable": "100%"}}
    cluster.task("gang", template=template(), placement={"gang": True}, **batch)
    cluster.settle()
    high = cluster.task("high", template=template(), placement={"priority": 5})
    cluster.settle()
    assert len(cpus(cluster)) == 0 and len(cpus(cluster, "high")) == 1
    cluster.delete(high)
    cluster.settle()
    assert len(cpus(cluster)) == 4


def test_a_plan_of_a_gang_that_does_not_fit_keeps_it() -> None:
    cluster = racks()
    made = gang(cluster, 4)
    cluster.change(made, template=template("3"))
    (planned,) = previews(cluster.world(), [cluster.world().tasks[ObjectKey("default", "gang")]])
    assert {row.action for row in planned.rows} == {"keep"} and planned.held == 4 and planned.falls_short
    cluster.change(made, template=template("2"))
    (planned,) = previews(cluster.world(), [cluster.world().tasks[ObjectKey("default", "gang")]])
    assert {row.action for row in planned.rows} == {"replace"} and not planned.falls_short
