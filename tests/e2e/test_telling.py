"""What servers, pools and those who have to yield are told, over the wire of a running StarLink."""

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
