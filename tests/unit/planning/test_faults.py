"""What can't be used of a spec is named, and harms nothing but itself."""

from typing import Any

import msgspec
import pytest
from tests.world import Cluster

from starlink.api.meta import ObjectKey
from starlink.api.pool import Pool
from starlink.api.task import Task
from starlink.engine.foresight.preview import preview
from starlink.engine.rounds.fleet import plan_fleet
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import plan_round
from starlink.planning.containing import Faults
from starlink.planning.faults import pool_fault, task_fault

RUN = {"command": ["run"]}
BACKUP = {"name": "restic", "operation": "backup"}
ARM = {"architecture": "arm64", "url": "file:a", "sha256": "0" * 64}
BAD = ObjectKey("default", "bad")


def asking(**requests: Any) -> dict[str, Any]:
    return {"template": {**RUN, "resources": {"requests": requests}}}


WRONG: list[tuple[dict[str, Any], str]] = [
    (asking(cpu=1e99), "spec.template.resources.requests.cpu: 1e+99 is not a quantity"),
    (asking(cpu="lots"), "spec.template.resources.requests.cpu: 'lots' is not a quantity"),
    (asking(memory="9999999999Pi"), "spec.template.resources.requests.memory: '9999999999Pi' is more than can be"),
    (asking(gpu=-1), "spec.template.resources.requests.gpu: -1 is not a quantity"),
    ({"template": {**RUN, "logs": {"maxSize": 1e30}}}, "spec.template.logs.maxSize: 1e+30 is not a quantity"),
    ({"template": RUN, "replicas": 2**31}, "spec.replicas: 2147483648 is out of range; write a number from 0 to 214748"),
    ({"template": RUN, "replicas": -1}, "spec.replicas: -1 is out of range"),
    ({"template": RUN, "update": {"maxUnavailable": "half"}}, "spec.update.maxUnavailable: 'half' is neither"),
    ({"template": RUN, "update": {"maxUnavailable": 2**40}}, "spec.update.maxUnavailable: 1099511627776 is out of"),
    ({"template": RUN, "placement": {"lostAfter": "soon"}}, "spec.placement.lostAfter: 'soon' is not a duration"),
    ({"template": RUN, "placement": {"lostAfter": "9" * 400 + "h"}}, "spec.placement.lostAfter: '9999"),
    ({"template": RUN, "placement": {"priority": 2**70}}, "spec.placement.priority: 1180591620717411303424 is out of"),
    (
        {"template": RUN, "placement": {"spread": [{"topologyKey": "z", "maxSkew": 2**40}]}},
        "spec.placement.spread[0].maxSkew: 1099511627776 is out of range; write a number from 1 to",
    ),
    (
        {"template": RUN, "placement": {"antiAffinity": [{"task": "a", "weight": 0}]}},
        "spec.placement.antiAffinity[0].weight: 0 is out of range",
    ),
    ({"template": {**RUN, "stop": {"gracePeriod": "-1s"}}}, "spec.template.stop.gracePeriod: '-1s' is not a duration"),
    (
        {"template": {**RUN, "artifact": {"variants": [ARM]}}, "placement": {"architectures": ["amd64", "riscv64"]}},
        "spec.placement.architectures: amd64, riscv64 has none of template.artifact.variants (arm64); add a variant",
    ),
    (
        {"template": {**RUN, "probes": {"startup": {"period": "x", "tcpSocket": {}}}}},
        "spec.template.probes.startup.period: 'x' is not a duration",
    ),
    ({"template": {"runtime": "Driver"}}, "spec.template.driver: runtime Driver has none; give the driver's name and"),
    ({"template": {**RUN, "driver": BACKUP}}, "spec.template.driver: runtime Process has restic; take it away, or use"),
    ({"template": RUN, "hostPorts": [80]}, "spec.hostPorts: runtime Process has 80; give it in template.ports"),
    ({"template": {"runtime": "Driver", "driver": BACKUP}, "hostPorts": [80, 65536]}, "spec.hostPorts[1]: 65536 is out of"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "told"), WRONG)
def test_a_task_that_is_wrong_harms_no_other(spec: dict[str, Any], told: str) -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.pool("p")
    bad = cluster.task("bad", **spec)
    cluster.task("good", replicas=2, placement={"affinity": [{"task": "bad", "weight": 1}]})
    cluster.settle()
    assert [a.task for a in cluster.assignments()] == ["good", "good"]
    conditions = {one["type"]: one for one in bad["status"]["conditions"]}
    for name, status in (("Ready", "False"), ("Stalled", "True"), ("Reconciling", "False"), ("Scheduled", "False")):
        assert (conditions[name]["status"], conditions[name]["reason"]) == (status, "InvalidSpec")
    assert conditions["Ready"]["message"].startswith(told)
    assert [e.reason for e in cluster.events if e.key == BAD] == ["InvalidSpec"], "it is told once"


def test_a_task_that_is_put_right_runs() -> None:
    cluster = Cluster()
    cluster.server("s1")
    bad = cluster.task("bad", **asking(cpu="lots"))
    cluster.settle()
    assert cluster.assignments() == []
    cluster.change(bad, **asking(cpu="100m"))
    cluster.settle()
    assert [a.task for a in cluster.assignments()] == ["bad"]
    assert {one["type"]: one["reason"] for one in bad["status"]["conditions"]}["Stalled"] == "NotStalled"


def test_a_running_task_whose_spec_becomes_wrong_goes_on() -> None:
    """And nobody takes its room: how much of it may be disturbed is not known."""
    cluster = Cluster()
    cluster.server("s1", cpu="2")
    bad = cluster.task("bad", replicas=2, **asking(cpu=1))
    cluster.settle()
    before = {a.name for a in cluster.assignments()}
    cluster.change(bad, update={"maxUnavailable": "half"}, placement={"lostAfter": "soon"}, replicas=5)
    cluster.task("urgent", placement={"priority": 9}, **asking(cpu=1))
    cluster.settle()
    assert {a.name for a in cluster.assignments()} == before
    assert all(a.spec.desired == "Running" for a in cluster.assignments())
    cluster.delete(bad)
    cluster.settle()
    assert [a.task for a in cluster.assignments()] == ["urgent"]


@pytest.mark.parametrize(("spec", "told"), [
    ({"quota": {"cpu": 1e99}}, "spec.quota.cpu: 1e+99 is not a quantity"),
    ({"quota": {"assignments": 2**40}}, "spec.quota.assignments: 1099511627776 is out of range"),
    ({"quota": {"cpu": 2}, "cohort": "c", "lend": {"cpu": "-1"}}, "spec.lend.cpu: '-1' is not a quantity"),
    ({"quota": {"storage": "9999999999Pi"}}, "spec.quota.storage: '9999999999Pi' is more than can be counted"),
    ({"watermarks": {"cpu": {"high": 2**70, "low": 1}}}, "spec.watermarks.cpu.high: 1180591620717411303424 is out"),
    ({"overcommit": {"cpu": 2**70}}, "spec.overcommit.cpu: 1180591620717411303424 is out of range"),
    ({"weights": {"own": -1}}, "spec.weights.own: -1 is out of range; write a number from 0 to 1000"),
])  # fmt: skip
def test_a_pool_that_is_wrong_takes_nothing_and_harms_no_other(spec: dict[str, Any], told: str) -> None:
    cluster = Cluster()
    cluster.server("s1", pool="bad")
    cluster.server("s2", pool="good")
    bad = cluster.pool("bad", **spec)
    cluster.pool("good")
    cluster.task("anywhere", replicas=2)
    there = cluster.task("there", placement={"pool": "bad"})
    cluster.settle()
    assert {(a.task, a.spec.server) for a in cluster.assignments()} == {("anywhere", "s2")}
    scheduled = next(one for one in there["status"]["conditions"] if one["type"] == "Scheduled")
    assert scheduled["message"].startswith(f"pool bad can't be used: {told}")
    conditions = {one["type"]: one for one in bad["status"]["conditions"]}
    assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == ("False", "InvalidSpec")
    assert (conditions["Stalled"]["status"], conditions["QuotaAvailable"]["status"]) == ("True", "False")
    assert conditions["Ready"]["message"].startswith(told)


def test_what_an_agent_reports_and_nobody_can_read_is_not_offered() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="lots")
    cluster.server("s2", memory="9999999999Pi")
    cluster.task("web", **asking(cpu=1))
    cluster.task("big", **asking(memory="1Mi"))
    cluster.settle()
    assert {a.task: a.spec.server for a in cluster.assignments()} == {"web": "s2", "big": "s1"}


def test_an_assignment_whose_requests_nobody_can_read_is_charged_with_none() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="1")
    cluster.task("web", **asking(cpu=1))
    cluster.settle()
    made = next(obj for key, obj in cluster.objects.items() if key[0] == "Assignment")
    made["spec"]["template"]["resources"] = {"requests": {"cpu": "lots"}}
    plan_round(cluster.world())
    assert plan_fleet(cluster.world())


def test_the_same_object_is_looked_into_once() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.task("good")
    cluster.task("bad", **asking(cpu="lots"))
    world, faults = cluster.world(), Faults()
    first = faults.contain(world)
    assert set(first.tasks) == {BAD} and faults.contain(world).tasks == first.tasks
    del cluster.objects["Task", "default", "bad"]
    left = faults.contain(cluster.world())
    assert not left.tasks and set(left.world.tasks) == {ObjectKey("default", "good")}


def test_a_world_without_faults_is_the_same() -> None:
    cluster = Cluster()
    cluster.pool("p", quota={"cpu": "1.5", "memory": "2Pi"}, cohort="c", lend={"cpu": 1}, borrow={"gpu": 1})
    cluster.task("good", type="Batch", deadline="1h", completions=3, update={"maxUnavailable": "25%"})
    world = cluster.world()
    assert Faults().contain(world).world is world
    assert task_fault(world.tasks[ObjectKey("default", "good")]) == "" and pool_fault(world.pools["p"]) == ""
    fault = pool_fault(msgspec.convert({"metadata": {}, "spec": {"borrow": {"cpu": "x"}}}, Pool))
    assert fault.startswith("spec.borrow.cpu: 'x' is not a quantity")


def test_a_preview_goes_by_stand_ins_as_well() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.task("bad", update={"maxUnavailable": "half"}, **asking(cpu="lots"))
    world = Faults().contain(cluster.world()).world
    new = msgspec.convert({"metadata": {"name": "new", "namespace": "default"}, "spec": asking(cpu=1)}, Task)
    assert [row.server for row in preview(world, new).rows] == ["s1"]


def test_what_was_found_is_kept_from_round_to_round() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.task("bad", **asking(cpu="lots"))
    reservations = Reservations()
    for _ in range(2):
        plans = plan_round(cluster.world(), None, reservations).plans
        assert [plan.reason.split(":")[0] for plan in plans] == ["spec.template.resources.requests.cpu"]


def test_an_instance_goes_where_there_is_a_variant_for_it() -> None:
    cluster = Cluster()
    cluster.server("riscv", arch="riscv64")
    task = cluster.task("web", template={**RUN, "artifact": {"variants": [ARM]}}, replicas=2,
                        placement={"architectures": ["arm64", "riscv64"]})  # fmt: skip
    cluster.settle()
    assert cluster.assignments() == []
    scheduled = next(one for one in task["status"]["conditions"] if one["type"] == "Scheduled")
    assert "wants arm64: placement.architectures and artifact.variants" in scheduled["message"]
    cluster.server("arm", arch="arm64")
    cluster.settle()
    assert [a.spec.server for a in cluster.assignments()] == ["arm", "arm"]
