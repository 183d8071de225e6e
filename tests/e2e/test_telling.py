"""What servers, pools and tasks say, and those are told who have to yield, over the wire of a running StarLink."""

import functools
from typing import Any

from tests.conftest import Starlink, eventually
from tests.e2e.test_plan import pool, task

from starlink.api import quantity


def events(starlink: Starlink, reason: str) -> list[dict[str, Any]]:
    return [event for event in starlink.items("events") if event["reason"] == reason]


def test_a_server_of_a_pool_that_does_not_exist_says_so(starlink: Starlink) -> None:
    kind = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Server"}
    starlink.apply({**kind, "metadata": {"name": "s1"}, "spec": {"pool": "lab"}})
    eventually(lambda: starlink.condition("server", "s1", "Stalled") == "True", "s1 is stalled")
    eventually(lambda: events(starlink, "PoolNotFound"), "an Event says so")
    starlink.apply(pool("lab", architectures=["riscv64"]))
    eventually(lambda: starlink.condition("server", "s1", "Stalled") == "False", "s1 is not stalled")
    eventually(lambda: "headroom" in starlink.get("pool", "lab")["status"], "the pool is told of")
    assert "cpu" not in starlink.get("pool", "lab")["status"]["headroom"]


def test_who_makes_room_is_told_for_whom(starlink: Starlink) -> None:
    room = quantity.millicores(starlink.get("server", "s1")["status"]["allocatable"]["cpu"])
    starlink.apply(pool("lab", architectures=[]), task("low", cpu=f"{room * 6 // 10}m"))
    eventually(lambda: starlink.get("task", "low")["status"].get("ready") == 1, "low is ready")
    starlink.apply(task("high", cpu=f"{room * 6 // 10}m", placement={"priority": 5}))
    eventually(lambda: starlink.get("task", "high")["status"].get("ready") == 1, "high is ready")
    eventually(lambda: events(starlink, "Preempted"), "an Event says who had to go")
    (event,) = events(starlink, "Preempted")
    assert event["involvedObject"]["name"] == "low" and "makes room for task default/high" in event["message"]
    eventually(lambda: starlink.get("task", "low")["status"]["ready"] == 0, "low counts none")
    starlink.cli("delete", "task", "low")
    starlink.cli("delete", "task", "high")


def test_that_more_have_no_server_is_one_event_and_the_reason_stands_once(starlink: Starlink) -> None:
    for replicas in (1, 2, 3):
        starlink.apply(task("huge", cpu="999", replicas=replicas))
        eventually(functools.partial(says, starlink, f"fit {replicas} more instance"), f"Scheduled says {replicas}")
    assert told(starlink, "huge", "Stalled").endswith("the condition Scheduled says why, and what would help")
    assert "; nearest: " in told(starlink, "huge", "Scheduled") and "nearest" not in told(starlink, "huge", "Ready")
    eventually(lambda: warnings(starlink, "huge"), "an Event says so")
    assert len(warnings(starlink, "huge")) == 1
    starlink.cli("delete", "task", "huge")


def test_a_pool_that_closes_says_who_is_there_still(starlink: Starlink) -> None:
    starlink.apply(pool("lab"), task("guest"))
    eventually(lambda: starlink.get("task", "guest")["status"].get("ready") == 1, "guest is ready")
    starlink.apply(pool("lab", namespaces=["team"]))
    against = "1 instance is here against spec.namespaces (team): 1 of default/guest on s1"
    eventually(lambda: against in told(starlink, "lab", "Ready", "pool"), "the pool says so")
    assert starlink.get("task", "guest")["status"]["ready"] == 1


def test_what_has_to_leave_waits_for_room_within_its_budget_and_says_so(starlink: Starlink) -> None:
    server = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Server", "metadata": {"name": "s1"}}
    gang = task("crew", replicas=3, placement={"gang": True})
    starlink.apply(pool("lab", architectures=[]), task("web", replicas=3), gang)
    eventually(lambda: starlink.get("task", "web")["status"].get("available") == 3, "web is available")
    eventually(lambda: starlink.get("task", "crew")["status"].get("ready") == 3, "crew is ready")
    starlink.apply({**server, "spec": {"pool": "lab", "taints": [{"key": "x", "effect": "NoExecute"}]}})
    eventually(
        lambda: "raise update.maxUnavailable to 2" in told(starlink, "web", "Ready"), "web says what it waits for"
    )
    eventually(
        lambda: "replaced once all 3 of it fit" in told(starlink, "crew", "Ready"), "crew says what it waits for"
    )
    assert starlink.get("task", "web")["status"]["ready"] == 2
    assert starlink.get("task", "crew")["status"]["ready"] == 3
    starlink.apply({**server, "spec": {"pool": "lab", "taints": []}})
    eventually(lambda: starlink.get("task", "web")["status"].get("ready") == 3, "web is whole again")


def says(starlink: Starlink, words: str) -> bool:
    return words in told(starlink, "huge", "Scheduled")


def warnings(starlink: Starlink, name: str) -> list[str]:
    return [one["message"] for one in events(starlink, "Unplaceable") if one["involvedObject"]["name"] == name]


def told(starlink: Starlink, name: str, condition: str, kind: str = "task") -> str:
    conditions = starlink.get(kind, name).get("status", {}).get("conditions", [])
    return next((str(one["message"]) for one in conditions if one["type"] == condition), "")
