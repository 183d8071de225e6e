"""Ports of servers that drivers ask for: they are charged as a template's, and found as those are."""

from tests.unit.engine.drivers import cluster_of, driver, of, on, told

from starlink.engine.foresight.preview import previews
from starlink.engine.rounds.round import plan_round
from starlink.planning.plan import Create
from starlink.planning.telling import in_words

WEB = {"command": ["run"], "ports": [{"name": "http", "port": 80}]}


def test_a_port_is_had_once_on_a_server_whoever_asks() -> None:
    cluster = cluster_of("s1", "s2")
    cluster.task("gate", template=driver(), hostPorts=[80, 443], servers=on("s1"))
    cluster.settle()
    cluster.task("web", template=WEB, replicas=2)
    cluster.task("other", template=driver(), hostPorts=[443], servers=on("s1"))
    cluster.settle()
    assert [a.spec.server for a in of(cluster, "web")] == ["s2"]
    assert "2 with port 80 taken; nearest: s1 lacks a free port 80 (default/gate has it)" in told(
        cluster, "web", "Scheduled"
    )
    assert of(cluster, "other") == []
    assert told(cluster, "other", "Scheduled") == (
        "Unplaceable: server s1 does not fit 1 more instance: it lacks a free port 443 (default/gate has it); "
        "take 443 out of spec.hostPorts"
    )
    (gate,) = of(cluster, "gate")
    assert gate.spec.host_ports == (80, 443)


def test_what_stops_and_what_is_lost_has_its_ports_until_it_has_stopped() -> None:
    cluster = cluster_of("s1", "s2")
    gate = cluster.task("gate", template=driver(), hostPorts=[80], servers=on("s1"))
    cluster.settle()
    cluster.change(gate, suspend=True)
    cluster.round()
    cluster.task("next", template=driver(), hostPorts=[80], servers=on("s1"))
    cluster.round()
    assert of(cluster, "next") == [] and "gate has it" in told(cluster, "next", "Scheduled")
    cluster.settle()
    assert len(of(cluster, "next")) == 1
    cluster.silence["s1"] = 60.0
    cluster.task("last", template=WEB, replicas=2)
    cluster.settle()
    assert [a.spec.server for a in of(cluster, "last")] == ["s2"]


def test_a_plan_foresees_them() -> None:
    cluster = cluster_of("s1")
    cluster.task("gate", template=driver(), hostPorts=[80], servers=on("s1"))
    cluster.settle()
    cluster.task("web", template=WEB, replicas=1)
    world = cluster.world()
    (shown,) = previews(world, [one for one in world.tasks.values() if one.name == "web"])
    assert shown.unplaced == 1 and shown.why is not None
    assert "a free port 80 (default/gate has it)" in in_words(shown.why)
    assert not any(isinstance(one, Create) for plan in plan_round(world).plans for one in plan.actions)


def test_who_has_none_asks_and_takes_none() -> None:
    cluster = cluster_of("s1")
    cluster.task("gate", template=driver())
    cluster.settle()
    assert "hostPorts" not in cluster.objects["Assignment", "default", of(cluster, "gate")[0].name]["spec"]


def test_a_driver_goes_to_servers_that_run_drivers() -> None:
    cluster = cluster_of("s2")
    cluster.server("s1")
    cluster.task("gate", template=driver(), replicas=1)
    cluster.task("pinned", template=driver(), servers=on("s1"))
    cluster.settle()
    assert [a.spec.server for a in of(cluster, "gate")] == ["s2"] and of(cluster, "pinned") == []
    assert "server s1 does not fit 1 more instance: it lacks the runtime Driver" in told(cluster, "pinned", "Scheduled")
