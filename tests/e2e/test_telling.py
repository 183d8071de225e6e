"""What servers, pools and those who have to yield are told, over the wire of a running StarLink."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import Starlink, _let_pass, eventually
from tests.e2e.test_plan import pool, task

from starlink.api import quantity


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """A StarLink with one server, s1."""
    folder = tmp_path_factory.mktemp("one")
    _let_pass(folder)
    found = Starlink(folder)
    try:
        found.up()
        yield found
    finally:
        found.remove()


def events(starlink: Starlink, reason: str) -> list[dict[str, Any]]:
    return [event for event in starlink.items("events") if event["reason"] == reason]


def test_a_server_of_a_pool_that_does_not_exist_says_so(one: Starlink) -> None:
    kind = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Server"}
    one.apply({**kind, "metadata": {"name": "s1"}, "spec": {"pool": "lab"}})
    eventually(lambda: one.condition("server", "s1", "Stalled") == "True", "s1 is stalled")
    eventually(lambda: events(one, "PoolNotFound"), "an Event says so")
    one.apply(pool("lab", architectures=["riscv64"]))
    eventually(lambda: one.condition("server", "s1", "Stalled") == "False", "s1 is not stalled")
    eventually(lambda: "headroom" in one.get("pool", "lab")["status"], "the pool is told of")
    assert "cpu" not in one.get("pool", "lab")["status"]["headroom"]


def test_who_makes_room_is_told_for_whom(one: Starlink) -> None:
    room = quantity.millicores(one.get("server", "s1")["status"]["allocatable"]["cpu"])
    one.apply(pool("lab", architectures=[]), task("low", cpu=f"{room * 6 // 10}m"))
    eventually(lambda: one.get("task", "low")["status"].get("ready") == 1, "low is ready")
    one.apply(task("high", cpu=f"{room * 6 // 10}m", placement={"priority": 5}))
    eventually(lambda: one.get("task", "high")["status"].get("ready") == 1, "high is ready")
    eventually(lambda: events(one, "Preempted"), "an Event says who had to go")
    (event,) = events(one, "Preempted")
    assert event["involvedObject"]["name"] == "low" and "makes room for task default/high" in event["message"]
    eventually(lambda: one.get("task", "low")["status"]["ready"] == 0, "low counts none")
