"""Rehearsing what the operator would do: who obeys, who waits, and where it ends."""

import msgspec
import pytest
from tests.world import Cluster

from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.cli.preview_text import render
from starlink.engine.foresight.preview import Preview, preview
from starlink.engine.foresight.rehearsal import rehearse
from starlink.engine.foresight.simulation import Simulation
from starlink.engine.rounds.round import plan_round

WEB = ObjectKey("default", "web")


def previewed(cluster: Cluster, **spec: object) -> Preview:
    body = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"template": {"command": ["other"]}, **spec}}
    return preview(cluster.world(), msgspec.convert(body, Task))


def running(*servers: str, **spec: object) -> Cluster:
    cluster = Cluster()
    for name in servers:
        cluster.server(name)
    cluster.task("web", **spec)
    cluster.settle()
    return cluster


def test_a_world_at_rest_stays_as_it_is() -> None:
    world = running("s1", "s2", replicas=3).world()
    rehearsal = rehearse(world)
    assert rehearsal.whole and rehearsal.rounds == 1
    assert rehearsal.world.assignments == world.assignments
    assert not rehearsal.leaves and not rehearsal.placed


def test_the_world_that_is_rehearsed_is_left_alone() -> None:
    cluster = running("s1", replicas=2)
    world = cluster.world()
    before = msgspec.json.encode([list(world.tasks.values()), list(world.assignments.values())])
    previewed(cluster, replicas=2)
    rehearse(world)
    assert msgspec.json.encode([list(world.tasks.values()), list(world.assignments.values())]) == before


def test_what_is_created_runs_and_is_remembered() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.task("web", replicas=2)
    simulation = Simulation(cluster.world())
    assert simulation.apply(plan_round(simulation.world).plans) == {WEB}
    assert [a.status.phase for a in simulation.world.assignments[WEB]] == ["Pending", "Pending"]
    assert simulation.obey() == {WEB}
    assert all(a.status.ready for a in simulation.world.assignments[WEB])
    assert simulation.world.tasks[WEB].status.phase == "Pending"
    assert not simulation.obey()


def test_one_that_makes_room_stops_before_the_other_starts() -> None:
    cluster = running("s1", replicas=4, template={"resources": {"requests": {"cpu": "1"}}})
    needs = {"resources": {"requests": {"cpu": "1"}}}
    cluster.task("high", template=needs, placement={"priority": 5})
    rehearsal = rehearse(cluster.world())
    (victim,) = rehearsal.victims[ObjectKey("default", "high")].values()
    assert rehearsal.leaves[victim.uid] == "Preempted"
    (created,) = rehearsal.world.assignments[ObjectKey("default", "high")]
    assert created.spec.wait_for == (victim.uid,) and created.status.ready


def test_an_agent_that_is_not_heard_does_not_obey() -> None:
    cluster = running("s1", replicas=2, placement={"lostAfter": "1h"})
    cluster.silence["s1"] = 30.0
    shown = previewed(cluster, replicas=1, placement={"lostAfter": "1h"})
    assert [(row.action, row.slots, row.leaves, row.sequel) for row in shown.rows] == [
        ("stop", ("0",), "Outdated", "NotHeard"),
        ("stop", ("1",), "ScaledDown", "NotHeard"),
    ]
    text = render(shown)
    assert "its template changes, once its agent is heard again" in text
    assert "ScaledDown, once its agent is heard again" in text


def test_more_rounds_than_are_looked_at_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("starlink.engine.foresight.rehearsal.MOST_ROUNDS", 40)
    replicas = 30
    cluster = Cluster()
    cluster.server("s1", cpu="400")
    cluster.task("web", replicas=replicas)
    cluster.settle()
    shown = previewed(cluster, replicas=replicas)
    assert shown.rounds == 40 and not shown.falls_short
    assert [(row.action, len(row.slots)) for row in shown.rows] == [("keep", 10), ("replace", 20)]
    text = render(shown)
    assert "its template changes, but not in what is looked at" in text
    assert text.endswith("after 40 rounds the rest is not looked at\n")


def test_one_that_is_new_and_not_ready_holds_up_the_others() -> None:
    cluster = running("s1", replicas=3)
    cluster.change(cluster.objects["Task", "default", "web"], template={"command": ["other"]})
    cluster.round()
    cluster.agents()
    cluster.round()
    (new,) = (obj for obj in cluster.objects.values() if obj["kind"] == "Assignment" and obj["spec"]["attempt"] == 2)
    cluster.report(new, phase="Running", ready=False)
    shown = previewed(cluster, replicas=3)
    kept = {slot: (row.leaves, row.sequel) for row in shown.rows if row.action == "keep" for slot in row.slots}
    assert kept == dict.fromkeys("01", ("Outdated", "Stays")) | {"2": ("", "")}
    assert "its template changes, but it stays" in render(shown)
    assert "2 stay as they are: update.maxUnavailable is 1, and 1 of 3 instances is missing" in render(shown)
    assert not shown.falls_short, "it may be ready yet"


def test_a_batch_is_not_replaced() -> None:
    cluster = running("s1", type="Batch", completions=2, parallelism=2)
    shown = previewed(cluster, type="Batch", completions=2, parallelism=2)
    assert [(row.action, row.slots) for row in shown.rows] == [("keep", ("0", "1"))]
