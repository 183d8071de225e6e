"""What drivers have found, in the status of their task."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.unit.engine.drivers import cluster_of, driver, of, on, told
from tests.world import Cluster

from starlink.api.assignment import LARGEST_RESULT
from starlink.engine.rounds.round import plan_round
from starlink.planning.plan import Delete, ReleaseFinalizer, UpdateStatus
from starlink.planning.results import MOST

Obj = dict[str, Any]


def results(cluster: Cluster, task: str = "dump") -> Obj:
    found = cluster.objects["Task", "default", task]["status"].get("results", [])
    return {one["slot"]: one["result"] for one in found}


def report(cluster: Cluster, slot: str, result: Any, **status: Any) -> None:
    (newest,) = [a for a in of(cluster, "dump") if a.spec.slot == slot and not a.finished]
    cluster.report_named(newest.name, result=result, **status)


def batch(completions: int, **spec: Any) -> Cluster:
    cluster = cluster_of("s1", cpu="64")
    cluster.task("dump", type="Batch", template=driver(), completions=completions, parallelism=completions, **spec)
    cluster.settle()
    return cluster


def test_they_are_told_of_what_lives_and_what_has_finished() -> None:
    cluster = batch(2)
    report(cluster, "1", {"bytes": 1})
    cluster.settle()
    assert results(cluster) == {"1": {"bytes": 1}}
    report(cluster, "0", {"bytes": 2, "none": None}, phase="Exited", exitCode=0, ready=False)
    cluster.settle()
    assert results(cluster) == {"0": {"bytes": 2}, "1": {"bytes": 1}}
    assert not plan_round(cluster.world()).plans[0], "what is told is not told again"
    cluster.task("web")
    cluster.settle()
    assert "results" not in cluster.objects["Task", "default", "web"]["status"]


def test_the_newest_attempt_that_has_one_is_told() -> None:
    cluster = batch(1)
    report(cluster, "0", {"try": 1}, phase="Failed", exitCode=1, ready=False, finishedAt="2025-06-15T15:06:40Z")
    cluster.now += 100
    cluster.settle()
    assert [a.spec.attempt for a in of(cluster, "dump") if not a.finished] == [2]
    assert results(cluster) == {"0": {"try": 1}}
    report(cluster, "0", {"try": 2})
    cluster.settle()
    assert results(cluster) == {"0": {"try": 2}}


def test_that_of_a_batch_outlives_its_assignment_which_goes_after_it_is_told() -> None:
    cluster = batch(2)
    (a,) = [a for a in of(cluster, "dump") if a.spec.slot == "0"]
    cluster.report_named(a.name, phase="Exited", exitCode=0, ready=False, result={"bytes": 7})
    cluster.delete(cluster.objects["Assignment", "default", a.name])
    (plan,) = plan_round(cluster.world()).plans
    kinds = [type(one) for one in plan.actions if isinstance(one, UpdateStatus | ReleaseFinalizer | Delete)]
    assert kinds.index(UpdateStatus) < kinds.index(ReleaseFinalizer)
    (status,) = [one.status for one in plan.actions if isinstance(one, UpdateStatus)]
    assert status["results"] == [{"slot": "0", "result": {"bytes": 7}}]
    cluster.settle()
    assert a.name not in [one.name for one in of(cluster, "dump")]
    assert results(cluster) == {"0": {"bytes": 7}}


def test_that_of_a_service_goes_with_its_slot() -> None:
    cluster = cluster_of("s1", "s2")
    gate = cluster.task("gate", template=driver(), servers=on("s1", "s2"))
    cluster.settle()
    for a in of(cluster, "gate"):
        cluster.report_named(a.name, result={"on": a.spec.server})
    cluster.settle()
    assert sorted(one["on"] for one in results(cluster, "gate").values()) == ["s1", "s2"]
    gate["spec"]["servers"] = on("s2")
    cluster.change(gate)
    cluster.settle()
    assert [one["on"] for one in results(cluster, "gate").values()] == ["s2"]
    gate["spec"]["template"] = {"command": ["run"]}
    cluster.change(gate)
    cluster.settle()
    assert results(cluster, "gate") == {}


@pytest.mark.parametrize("odd", ["text", 7, [1], None, True])
def test_what_is_no_object_is_passed_over_and_harms_nobody(odd: Any) -> None:
    cluster = batch(2)
    report(cluster, "0", odd)
    report(cluster, "1", {"bytes": 1})
    cluster.objects["Task", "default", "dump"]["status"]["results"] = [
        {"slot": "x", "result": {}},
        {"slot": "0", "result": odd},
    ]
    cluster.settle()
    assert results(cluster) == {"1": {"bytes": 1}}
    assert told(cluster, "dump").startswith("Running")


def test_those_that_do_not_fit_are_left_out_and_counted() -> None:
    cluster = batch(22)
    for slot in range(22):
        report(cluster, str(slot), {"x": "y" * (LARGEST_RESULT - 8)})
    cluster.settle()
    assert list(results(cluster)) == [str(slot) for slot in range(15)]
    assert len(msgspec.json.encode(cluster.objects["Task", "default", "dump"]["status"]["results"])) <= MOST
    assert told(cluster, "dump", "ResultsLeftOut").startswith("TooLarge: 15 of 22 results are told")
    report(cluster, "0", {"x": "y" * LARGEST_RESULT})
    for slot in range(1, 22):
        report(cluster, str(slot), {"x": 1})
    cluster.settle()
    assert list(results(cluster)) == [str(slot) for slot in range(1, 22)], "one that no agent reports is left out"
    report(cluster, "0", {"x": 1})
    cluster.settle()
    assert told(cluster, "dump", "ResultsLeftOut") == "AllTold: "


@examples(150)
@given(st.dictionaries(st.integers(0, 19).map(str), st.integers(0, 20_000), max_size=20))
def test_they_never_take_more_than_a_status_may(sizes: dict[str, int]) -> None:
    cluster = batch(20)
    for slot, size in sizes.items():
        report(cluster, slot, {"x": "y" * size})
    cluster.settle()
    found = results(cluster)
    assert len(msgspec.json.encode(cluster.objects["Task", "default", "dump"]["status"].get("results", []))) <= MOST
    fitting = sorted((slot for slot, size in sizes.items() if size <= LARGEST_RESULT - 8), key=int)
    assert list(found) == fitting[: len(found)]
    assert len(found) == len(fitting) or MOST - sum(sizes[slot] for slot in found) < 2 * LARGEST_RESULT
