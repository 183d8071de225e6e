"""What servers and pools say of themselves: amounts, pools that are not there, quotas that are used up."""

from typing import Any

from tests.world import Cluster, Obj

from starlink.planning.plan import RecordEvent


def template(**requests: Any) -> dict[str, Any]:
    named = {key.replace("__", "/").replace("_", "."): value for key, value in requests.items()}
    return {"command": ["run"], "resources": {"requests": named}}


def condition(obj: Obj, kind: str) -> tuple[str, str, str]:
    found = next(one for one in obj["status"]["conditions"] if one["type"] == kind)
    return found["status"], found["reason"], found["message"]


def told(cluster: Cluster, reason: str) -> list[RecordEvent]:
    return [event for event in cluster.events if event.reason == reason]


def test_a_resource_that_nobody_has_any_more_leaves_what_is_allocated() -> None:
    cluster = Cluster()
    server = cluster.server("s1")
    server["status"]["allocatable"]["example.com/dongle"] = "4"
    task = cluster.task("dongles", template=template(example_com__dongle=1), replicas=2)
    cluster.settle()
    assert server["status"]["allocated"]["example.com/dongle"] == "2"
    cluster.delete(task)
    cluster.settle()
    assert server["status"]["allocated"] == {"cpu": "0", "memory": "0", "assignments": "0"}


def test_a_server_says_that_its_pool_does_not_exist_until_it_does() -> None:
    cluster = Cluster()
    server = cluster.server("s1")
    edge = cluster.pool("edge")
    cluster.change(server, pool="edge")
    cluster.settle()
    assert condition(server, "Ready")[:2] == ("True", "AgentHeard")
    cluster.delete(edge)
    cluster.settle()
    assert condition(server, "Ready")[:2] == ("True", "PoolNotFound")
    stalled = condition(server, "Stalled")
    assert stalled[:2] == ("True", "PoolNotFound") and "'edge', which does not exist (pools: none)" in stalled[2]
    assert [(event.type, event.kind.kind) for event in told(cluster, "PoolNotFound")] == [("Warning", "Server")]
    cluster.change(server, unschedulable=True)
    cluster.settle()
    assert "spec.unschedulable keeps new instances away; spec.pool names" in condition(server, "Ready")[2]
    cluster.pool("edge")
    cluster.settle()
    assert condition(server, "Ready")[:2] == ("True", "Cordoned") and condition(server, "Stalled")[0] == "False"


def test_a_pool_without_servers_says_who_has_them_and_what_helps() -> None:
    cluster = Cluster()
    cluster.server("s1", labels={"zone": "a"})
    first, second = cluster.pool("p1", selector={"zone": "a"}), cluster.pool("p2", selector={"zone": "a"})
    other, bare = cluster.pool("p3", selector={"zone": "b"}), cluster.pool("p4")
    cluster.settle()
    assert condition(first, "Ready")[1] == "ServersReady"
    assert "s1 is in pool p1" in condition(second, "Ready")[2]
    assert "`starlink pool move s1 p2`" in condition(second, "Ready")[2]
    assert "none has the labels of its selector (zone=b)" in condition(other, "Ready")[2]
    assert "it has no spec.selector" in condition(bare, "Ready")[2]


def test_a_server_that_has_not_joined_is_not_ready_in_its_pool() -> None:
    cluster = Cluster()
    pool = cluster.pool("edge")
    cluster.server("s1", pool="edge")["status"] = {}
    cluster.settle()
    waiting = "no server of the pool has joined yet (s1); start its agent there: `starlink agent`"
    assert condition(pool, "Ready") == ("False", "NoReadyServers", waiting)
    assert (pool["status"]["servers"], pool["status"]["readyServers"]) == (1, 0)
    cluster.server("s2", pool="edge")
    cluster.settle()
    assert condition(pool, "Ready") == ("True", "ServersReady", "1 of 2 servers is ready")
    assert (pool["status"]["servers"], pool["status"]["readyServers"]) == (2, 1)


def test_headroom_is_what_servers_that_take_something_have() -> None:
    cluster = Cluster()
    cluster.server("arm", arch="arm64", labels={"zone": "b"})
    pool = cluster.pool("qb", selector={"zone": "b"}, architectures=["amd64"])
    cluster.settle()
    assert "cpu" not in pool["status"]["headroom"] or pool["status"]["headroom"]["cpu"] == "0"
    assert "1 of an architecture that the pool does not take (amd64)" in condition(pool, "Ready")[2]
    amd = cluster.server("amd", cpu="2", labels={"zone": "b"})
    cluster.settle()
    assert pool["status"]["headroom"]["cpu"] == "2"
    cluster.change(amd, unschedulable=True)
    cluster.settle()
    assert "cpu" not in pool["status"]["headroom"] or pool["status"]["headroom"]["cpu"] == "0"
    assert condition(pool, "Ready")[2].startswith("2 of 2 servers are ready, 1 of them cordoned or leaving")


def test_a_quota_that_is_used_up_says_by_whom_and_what_helps() -> None:
    cluster = Cluster()
    pa = cluster.pool("pa", quota={"cpu": 2}, cohort="all", lend={"cpu": 1})
    pb = cluster.pool("pb", quota={"cpu": 1}, cohort="all")
    cluster.server("s1", pool="pa")
    cluster.server("s2", pool="pb")
    cluster.settle()
    assert condition(pa, "QuotaAvailable")[2] == "there is room for more of all that spec.quota limits: cpu 2"
    cluster.task("b", template=template(cpu="500m"), replicas=4, placement={"pool": "pb"})
    cluster.settle()
    cluster.task("a", template=template(cpu="500m"), replicas=3, placement={"pool": "pa"})
    cluster.settle()
    assert condition(pb, "QuotaAvailable")[2] == (
        "cpu: 1500m of 1 are used, 500m of it borrowed: nothing more is placed until something stops or spec.quota.cpu "
        "is raised"
    )
    assert condition(pa, "QuotaAvailable")[2].startswith(
        "cpu: 1500m of 2 are used here, and 500m that the pool lends is used by pool pb: an instance that needs it has"
    )


def test_who_has_to_yield_is_told_so() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="2")
    low = cluster.task("low", template=template(cpu=1), replicas=2)
    cluster.settle()
    cluster.task("high", template=template(cpu=1), placement={"priority": 10})
    cluster.settle()
    (event,) = told(cluster, "Preempted")
    assert (event.key.name, event.uid, event.type) == ("low", low["metadata"]["uid"], "Warning")
    assert event.message.endswith("on s1 makes room for task default/high (priority 10)")


def test_several_who_have_to_yield_are_told_in_one_sentence() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="2")
    cluster.task("low", template=template(cpu=1), replicas=2, update={"maxUnavailable": 2})
    cluster.settle()
    cluster.task("high", template=template(cpu=2), placement={"priority": 10})
    cluster.settle()
    (event,) = told(cluster, "Preempted")
    assert event.message.endswith(" on s1 make room for task default/high (priority 10)")


def test_who_gives_back_what_it_borrowed_is_told_so() -> None:
    cluster = Cluster()
    cluster.pool("lab", quota={"assignments": 1}, cohort="all", lend={"assignments": 1})
    cluster.pool("edge", quota={"assignments": 1}, cohort="all")
    cluster.server("s1", pool="edge")
    cluster.server("s2", pool="lab")
    cluster.task("borrower", replicas=2, placement={"pool": "edge", "priority": 90})
    cluster.settle()
    cluster.task("owner", placement={"pool": "lab"})
    cluster.round()
    (event,) = told(cluster, "Preempted")
    assert event.key.name == "borrower"
    assert event.message.endswith("gives back what its pool has borrowed, to task default/owner (priority 0)")


def test_the_first_status_counts_also_what_is_none() -> None:
    cluster = Cluster()
    web, job = cluster.task("web"), cluster.task("job", type="Batch")
    cluster.settle()
    assert web["status"]["ready"] == 0
    assert (job["status"]["ready"], job["status"]["succeeded"]) == (0, 0)


def test_servers_whose_agents_have_not_joined_yet_are_no_storm() -> None:
    cluster = Cluster()
    servers = [cluster.server(name) for name in ("s1", "s2", "s3")]
    for server in servers:
        server["status"] = {}
        cluster.silence[server["metadata"]["name"]] = 20.0
    cluster.settle()
    assert [condition(server, "Ready")[:2] for server in servers] == [("Unknown", "Registering")] * 3


def test_a_pool_says_what_is_used_of_each_limit() -> None:
    cluster = Cluster()
    quota = {"cpu": "2", "memory": "1Gi", "gpu": 1, "storage": "10Gi", "assignments": 3}
    edge, free = cluster.pool("edge", quota=quota), cluster.pool("free")
    cluster.server("s1", pool="edge")["status"]["allocatable"]["ephemeral-storage"] = "100Gi"
    cluster.settle()
    assert edge["status"]["quota"] == "cpu 0/2, memory 0/1Gi, gpu 0/1, storage 0/10Gi, assignments 0/3"
    requests = {"cpu": "250m", "memory": "64Mi", "ephemeral-storage": "1Gi"}
    task = cluster.task("web", template=template(**requests), replicas=2, placement={"pool": "edge"})
    cluster.settle()
    assert edge["status"]["quota"] == "cpu 500m/2, memory 128Mi/1Gi, gpu 0/1, storage 2Gi/10Gi, assignments 2/3"
    assert free["status"].get("quota", "") == ""
    cluster.delete(task)
    cluster.change(edge, quota=None)
    cluster.settle()
    assert edge["status"]["quota"] == ""
