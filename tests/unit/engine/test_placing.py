"""What the engine makes of priorities, gangs, affinities and artifacts, round by round."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.world import Cluster

from starlink.api.meta import ObjectKey
from starlink.api.task import ArtifactFinding
from starlink.engine.foresight.preview import previews
from starlink.engine.rounds.neighbours import Neighbours
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import plan_round
from starlink.planning.attempt import is_stop
from starlink.planning.health import assess
from starlink.planning.plan import Action, Create
from starlink.planning.pool import effective_pools
from starlink.planning.telling import in_words
from starlink.scheduling.fleet import Fleet


def template(cpu: str = "1", **more: Any) -> dict[str, Any]:
    return {"command": ["run"], "resources": {"requests": {"cpu": cpu}}, **more}


def running(cluster: Cluster) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for a in cluster.assignments():
        if a.status.phase == "Running":
            found.setdefault(a.task, []).append(a.spec.server)
    return found


def full_cluster(**low: Any) -> Cluster:
    cluster = Cluster()
    for name in ("s1", "s2"):
        cluster.server(name, cpu="2")
    cluster.task("low", template=template(), replicas=4, **low)
    cluster.settle()
    return cluster


def scheduled(cluster: Cluster, task: str) -> str:
    found = cluster.objects["Task", "default", task]["status"]["conditions"]
    return next(str(one["message"]) for one in found if one["type"] == "Scheduled")


def test_a_higher_priority_takes_the_place_of_a_lower_one_and_waits_for_its_end() -> None:
    cluster = full_cluster()
    cluster.task("high", template=template(), placement={"priority": 10})
    cluster.round()
    (newcomer,) = [a for a in cluster.assignments() if a.task == "high"]
    (victim,) = [a for a in cluster.assignments() if a.spec.reason == "Preempted"]
    assert newcomer.spec.wait_for == (victim.uid,) and newcomer.spec.server == victim.spec.server
    cluster.settle()
    assert len(running(cluster)["low"]) == 3 and len(running(cluster)["high"]) == 1
    assert "short of cpu" in scheduled(cluster, "low")


def test_the_next_leader_finishes_a_preemption_that_was_begun() -> None:
    cluster = full_cluster()
    cluster.task("high", template=template(), placement={"priority": 10})

    def dies(action: Action) -> bool:
        return is_stop(action)

    cluster.round(fails=dies)
    assert [a.task for a in cluster.assignments() if a.spec.wait_for] == ["high"]
    assert not [a for a in cluster.assignments() if a.spec.reason == "Preempted"]
    cluster.settle()
    assert len(running(cluster)["high"]) == 1 and len(running(cluster)["low"]) == 3


def test_a_budget_of_none_is_never_broken() -> None:
    cluster = full_cluster(update={"maxUnavailable": 0})
    cluster.task("high", template=template(), placement={"priority": 10})
    cluster.settle()
    assert len(running(cluster)["low"]) == 4 and "high" not in running(cluster)


def test_a_budget_is_kept_however_many_come() -> None:
    cluster = full_cluster(update={"maxUnavailable": 2})
    for number in range(4):
        cluster.task(f"high-{number}", template=template(), placement={"priority": 10})
    cluster.settle()
    assert len(running(cluster)["low"]) == 2


def test_the_highest_priority_is_placed_first() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="1")
    cluster.task("a-low", template=template())
    cluster.task("b-high", template=template(), placement={"priority": 5})
    cluster.settle()
    assert list(running(cluster)) == ["b-high"]


def test_a_gang_over_servers_by_name_is_whole_or_absent() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="4")
    small = cluster.server("s2", cpu="1")
    counts = [{"name": "s1", "replicas": 2}, {"name": "s2", "replicas": 2}]
    cluster.task("gang", template=template(), servers=counts, placement={"gang": True})
    cluster.settle()
    assert not cluster.assignments() and "s2" in scheduled(cluster, "gang")
    small["status"]["allocatable"]["cpu"] = "2"
    cluster._touch(small)
    cluster.settle()
    assert sorted(running(cluster)["gang"]) == ["s1", "s1", "s2", "s2"]


def test_tasks_that_wait_for_each_other_say_so() -> None:
    cluster = Cluster()
    cluster.server("s1")
    cluster.task("a", placement={"affinity": [{"task": "b"}]})
    cluster.task("b", placement={"affinity": [{"task": "a"}]})
    cluster.settle()
    assert "default/a near default/b near default/a" in scheduled(cluster, "a")
    assert "default/b near default/a near default/b" in scheduled(cluster, "b")


def test_many_that_wait_for_many_do_not_hold_up_a_round() -> None:
    cluster = Cluster()
    cluster.server("s1")
    for number in range(60):
        near = [{"task": f"t{(number + step) % 59 + 1}"} for step in range(8)] if number else [{"task": "t1"}]
        cluster.task(f"t{number}", placement={"affinity": near})
    cluster.settle()
    assert not cluster.assignments() and "default/t1" in scheduled(cluster, "t0")


def test_nothing_is_placed_while_its_artifact_is_looked_into_and_then_where_it_runs() -> None:
    cluster = Cluster()
    cluster.server("amd", arch="amd64")
    cluster.server("arm", arch="arm64")
    artifact = {"url": "https://example.com/a.zip", "sha256": "a" * 64}
    cluster.task("app", template={"artifact": artifact})
    key, world = ObjectKey("default", "app"), cluster.world()

    def created(findings: dict[ObjectKey, ArtifactFinding], looking: frozenset[ObjectKey]) -> list[str]:
        plans = plan_round(replace(world, findings=findings, looking=looking)).plans
        return [a.manifest["spec"]["server"] for p in plans for a in p.actions if isinstance(a, Create)]

    assert created({}, frozenset({key})) == []
    finding = ArtifactFinding("a" * 64, ("arm64",), "ELF headers of 1 executable")
    assert created({key: finding}, frozenset()) == ["arm"]


def test_an_artifact_for_other_machines_is_placed_nowhere_unless_the_task_says_where_it_runs() -> None:
    cluster = Cluster()
    cluster.server("amd", arch="amd64")
    digest, source = "a" * 64, "ELF headers of 1 executable: bin/p is for MIPS (32-bit, big-endian)"
    foreign = {"digest": digest, "architectures": [], "source": source}
    body = template(artifact={"url": "https://example.com/a.zip", "sha256": digest})
    cluster.task("app", template=body)
    cluster.objects["Task", "default", "app"]["status"] = {"artifact": foreign}
    (examined,) = previews(cluster.world(), [cluster.world().tasks[ObjectKey("default", "app")]])
    assert examined.unplaced == 1 and not examined.unknown and examined.why is not None
    assert [refusal.code for refusal in examined.why.refusals] == ["ArtifactRunsNowhere"]
    assert source in in_words(examined.why)
    cluster.settle()
    told = scheduled(cluster, "app")
    assert not cluster.assignments() and source in told
    assert "pack one for amd64 or arm64 or riscv64, or name in placement.architectures" in told
    cluster.task("told", template=body, placement={"architectures": ["amd64"]})
    cluster.settle()
    assert running(cluster) == {"told": ["amd"]}


steps = st.lists(
    st.sampled_from(["task", "scale", "server", "shrink", "label", "pool", "gone", "silent", "delete", "step"]),
    min_size=1,
    max_size=14,
)


@given(steps, st.integers(0, 2**31))
@examples(60)
def test_reservations_that_followed_are_those_of_a_fresh_start(steps: list[str], seed: int) -> None:
    cluster, kept = Cluster(), Reservations()
    for number, step in enumerate(steps):
        _do(cluster, step, number, seed)
        world = cluster.world()
        pools = effective_pools(world)
        health = assess(world, pools)
        kept.follow(world, pools, health, Neighbours(world.tasks))
        fresh = Reservations()
        fresh.follow(world, pools, health, Neighbours(world.tasks))
        assert _told(kept.fleet) == _told(fresh.fleet)


def _do(cluster: Cluster, step: str, number: int, seed: int) -> None:
    tasks = [obj for key, obj in sorted(cluster.objects.items()) if key[0] == "Task"]
    servers = [obj for key, obj in sorted(cluster.objects.items()) if key[0] == "Server"]
    match step:
        case "task":
            apart = {"antiAffinity": [{"taskSelector": {}, "weight": 5}], "priority": seed % 3}
            cluster.task(f"t{number}", template=template(), replicas=2, placement=apart)
        case "scale" if tasks:
            cluster.change(tasks[seed % len(tasks)], replicas=seed % 4)
        case "server":
            cluster.server(f"s{number}", cpu=str(1 + seed % 3))
        case "shrink" if servers:
            server = servers[seed % len(servers)]
            server["status"]["allocatable"]["cpu"] = "1"
            cluster._touch(server)
        case "label" if servers:
            server = servers[seed % len(servers)]
            server["metadata"]["labels"]["room"] = "x"
            cluster._touch(server)
        case "pool":
            cluster.pool(f"p{number}", selector={"room": "x"}, quota={"cpu": 2}, overcommit={"cpu": 150})
        case "gone" if servers:
            server = servers[seed % len(servers)]
            server["metadata"].setdefault("annotations", {})["starlink.dev/gone"] = "true"
            cluster._touch(server)
        case "silent" if servers:
            cluster.silence[servers[seed % len(servers)]["metadata"]["name"]] = 30.0
        case "delete" if tasks:
            cluster.delete(tasks[seed % len(tasks)])
        case _:
            cluster.round()
            cluster.agents()


def _told(fleet: Fleet) -> tuple[object, ...]:
    amounts = {key: used.tolist() for key, used in fleet.used.items()}
    capacity = {key: most.tolist() for key, most in fleet.capacity.items()}
    charges = {uid: tuple(charge) for uid, charge in fleet.charges.items()}
    used = {pool: dict(sorted(keys.items())) for pool, keys in fleet.quota_used.items()}
    return (
        fleet.nodes, amounts, capacity, charges, fleet.groups, fleet.repelled, fleet.ports, fleet.instances.tolist(),
        fleet.pools, used, dict(sorted(fleet.priorities.items())),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("most", "replicas", "told", "way_out"),
    [
        (1, 5, "maxUnavailable is 1 and 1 of its 5 instances is missing: raise it to 2, or lower its replicas to 4",
         {"update": {"maxUnavailable": 2}}),
        (1, 5, "or lower its replicas to 4", {"replicas": 4}),
        (0, 4, "default/low's update.maxUnavailable is 0: raise it to 1", {"update": {"maxUnavailable": 1}}),
        ("25%", 5, "maxUnavailable is 25% and 1 of its 5 instances is missing: raise it to 2",
         {"update": {"maxUnavailable": 2}}),
    ],
)  # fmt: skip
def test_where_only_a_budget_is_in_the_way_that_is_said_and_the_way_out_helps(
    most: int | str, replicas: int, told: str, way_out: dict[str, Any]
) -> None:
    cluster = Cluster()
    for name in ("s1", "s2"):
        cluster.server(name, cpu="2")
    low = cluster.task("low", template=template(), replicas=replicas, update={"maxUnavailable": most})
    cluster.settle()
    cluster.task("high", template=template(), placement={"priority": 1000})
    cluster.settle()
    assert "high" not in running(cluster) and told in scheduled(cluster, "high")
    cluster.change(low, **way_out)
    cluster.settle()
    assert len(running(cluster)["high"]) == 1


def test_no_budget_is_named_where_nobody_could_make_room() -> None:
    cluster = full_cluster(update={"maxUnavailable": 0})
    cluster.task("high", template=template("3"), placement={"priority": 10})
    cluster.settle()
    assert "maxUnavailable" not in scheduled(cluster, "high")
    cluster.task("alike", template=template())
    cluster.settle()
    assert "maxUnavailable" not in scheduled(cluster, "alike")
