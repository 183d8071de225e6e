"""What of a driver's task changes while it lives: nothing is replaced, and no attempt is used."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.unit.engine.drivers import cluster_of, driver, of, on, told
from tests.world import Cluster

from starlink.api.assignment import Assignment
from starlink.api.merge_patch import difference, merge
from starlink.engine.rounds.round import plan_round
from starlink.planning.plan import Create, Delete, Patch

WEB = {"command": ["run"], "ports": [{"name": "http", "port": 80}]}
Obj = dict[str, Any]


def spec_of(assignment: Assignment) -> Obj:
    assert assignment.spec.template.driver is not None
    return assignment.spec.template.driver.spec


def planned(cluster: Cluster) -> list[Any]:
    return [one for plan in plan_round(cluster.world()).plans for one in plan.actions]


def test_the_spec_of_a_driver_reaches_all_that_live() -> None:
    cluster = cluster_of("s1", "s2")
    gate = cluster.task("gate", template=driver({"a": {"b": 1, "c": [1]}, "d": 2}), servers=on("s1", "s2"))
    cluster.settle()
    before = {a.uid: a.name for a in of(cluster, "gate")}
    gate["spec"]["template"] = driver({"a": {"b": 1, "c": [2]}, "e": None})
    cluster.change(gate)
    actions = planned(cluster)
    assert not any(isinstance(one, Create | Delete) for one in actions)
    patches = [one for one in actions if isinstance(one, Patch)]
    assert [one.patch for one in patches] == [
        {"spec": {"template": {"driver": {"spec": {"a": {"c": [2]}, "d": None}}}}}
    ] * 2
    assert all(one.resource_version for one in patches)
    cluster.settle()
    assert {a.uid: a.name for a in of(cluster, "gate")} == before
    assert [spec_of(a) for a in of(cluster, "gate")] == [{"a": {"b": 1, "c": [2]}}] * 2
    assert planned(cluster) == []


def test_one_that_has_reported_meanwhile_is_told_in_the_next_round() -> None:
    cluster = cluster_of("s1")
    gate = cluster.task("gate", template=driver({"a": 1}))
    cluster.settle()
    cluster.change(gate, template=driver({"a": 2}))
    (patch,) = [one for one in planned(cluster) if isinstance(one, Patch)]
    cluster.report_named(of(cluster, "gate")[0].name, result={"x": 1})
    cluster.apply(patch)
    assert spec_of(of(cluster, "gate")[0]) == {"a": 1}
    cluster.settle()
    assert spec_of(of(cluster, "gate")[0]) == {"a": 2}


def test_another_operation_replaces_and_what_goes_is_not_told() -> None:
    cluster = cluster_of("s1")
    gate = cluster.task("gate", template=driver({"a": 1}))
    cluster.settle()
    gate["spec"]["template"] = {
        **driver({"a": 2}),
        "driver": {"name": "haproxy", "operation": "drain", "spec": {"a": 2}},
    }
    cluster.change(gate)
    assert not any("template" in one.patch.get("spec", {}) for one in planned(cluster) if isinstance(one, Patch))
    cluster.settle()
    assert [(a.spec.attempt, spec_of(a)) for a in of(cluster, "gate")] == [(2, {"a": 2})]


@pytest.mark.parametrize("change", [{"suspend": True}, {"servers": on("s2")}])
def test_what_is_told_to_go_is_left_alone(change: Obj) -> None:
    cluster = cluster_of("s1", "s2")
    gate = cluster.task("gate", template=driver({"a": 1}), servers=on("s1"))
    cluster.settle()
    cluster.change(gate, template=driver({"a": 2}), hostPorts=[80], **change)
    cluster.round()
    (going,) = [a for a in of(cluster, "gate") if a.spec.server == "s1"]
    assert going.stopping and spec_of(going) == {"a": 1} and going.spec.host_ports == ()
    assert not any(isinstance(one, Patch) for one in planned(cluster))


def test_a_batch_that_runs_is_told_too() -> None:
    cluster = cluster_of("s1")
    dump = cluster.task("dump", type="Batch", template=driver({"keep": 1}), completions=2)
    cluster.settle()
    cluster.change(dump, template=driver({"keep": 2}))
    cluster.settle()
    (running,) = of(cluster, "dump")
    assert spec_of(running) == {"keep": 2} and running.spec.attempt == 1
    cluster.report_named(running.name, phase="Exited", exitCode=0)
    cluster.settle()
    assert {spec_of(a)["keep"] for a in of(cluster, "dump")} == {2}


def test_instances_that_an_earlier_operator_made_get_their_ports() -> None:
    cluster = cluster_of("s1")
    gate = cluster.task("gate", template=driver())
    cluster.settle()
    cluster.change(gate, hostPorts=[80, 443])
    cluster.settle()
    (a,) = of(cluster, "gate")
    assert set(a.spec.host_ports) == {80, 443} and a.spec.attempt == 1
    gate["spec"]["hostPorts"] = [443, 80]
    cluster.change(gate)
    assert not any(isinstance(one, Patch) for one in planned(cluster)), "they are a set"
    del gate["spec"]["hostPorts"]
    cluster.change(gate)
    cluster.settle()
    assert of(cluster, "gate")[0].spec.host_ports == ()
    cluster.task("web", template=WEB)
    cluster.settle()
    assert len(of(cluster, "web")) == 1, "what it had is free"


def test_a_change_to_ports_that_another_has_waits_and_is_told() -> None:
    cluster = cluster_of("s1")
    cluster.task("web", template=WEB)
    gate = cluster.task("gate", template=driver({"a": 1}), hostPorts=[443])
    cluster.settle()
    cluster.change(gate, template=driver({"a": 2}), hostPorts=[80, 8443])
    cluster.settle()
    (a,) = of(cluster, "gate")
    assert a.status.ready and a.spec.host_ports == (443,) and spec_of(a) == {"a": 2}
    assert told(cluster, "gate") == (
        f"Updating: 1 of 1 instance is ready; {a.name} waits for port 80 (default/web has it) of s1: "
        "spec.hostPorts reaches it once they are free"
    )
    round_ = plan_round(cluster.world())
    assert [key.name for key in round_.unplaced] == ["gate"]
    cluster.change(cluster.objects["Task", "default", "web"], suspend=True)
    cluster.round()
    assert of(cluster, "gate")[0].spec.host_ports == (443,), "what stops has its ports until it has stopped"
    cluster.settle()
    assert of(cluster, "gate")[0].spec.host_ports == (80, 8443)
    assert told(cluster, "gate").startswith("AllReady")


def test_a_batch_tells_of_the_ports_that_it_waits_for() -> None:
    cluster = cluster_of("s1")
    cluster.task("web", template=WEB)
    dump = cluster.task("dump", type="Batch", template=driver())
    cluster.settle()
    cluster.change(dump, hostPorts=[80])
    cluster.settle()
    assert "0 of 1 completion is done, 1 is running" in told(cluster, "dump")
    assert "waits for port 80 (default/web has it) of s1" in told(cluster, "dump")


def test_of_two_that_want_a_port_in_one_round_one_gets_it() -> None:
    cluster = cluster_of("s1")
    tasks = [cluster.task(name, template=driver()) for name in ("one", "two")]
    cluster.settle()
    for one in tasks:
        cluster.change(one, hostPorts=[80])
    cluster.task("web", template=WEB)
    cluster.settle()
    having = [a for a in cluster.assignments() if 80 in a.spec.host_ports or a.task == "web"]
    assert len(having) == 1


VALUES = st.recursive(
    st.booleans() | st.integers(0, 2) | st.sampled_from([1.0, "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@examples(500)
@given(OBJECTS, OBJECTS)
def test_a_difference_makes_one_of_the_other(before: Obj, after: Obj) -> None:
    patch = difference(before, after)
    assert difference(merge(before, patch), after) == {}
    assert (patch == {}) is (difference(after, before) == {})
