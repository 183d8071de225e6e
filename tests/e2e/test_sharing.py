"""Modules share a StarLink, and none sees what another did."""

import os
from typing import Any

from tests.conftest import eventually
from tests.shared import Shared

VERSION = "starlink.dev/v1alpha1"
TEAM: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
NOTE: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "note"}, "data": {"a": "b"}}
POOL: dict[str, Any] = {"apiVersion": VERSION, "kind": "Pool", "metadata": {"name": "lab"}, "spec": {}}
TASK: dict[str, Any] = {
    "apiVersion": VERSION,
    "kind": "Task",
    "metadata": {"name": "web", "namespace": "team"},
    "spec": {"template": {"command": ["sleep", "100000"], "stop": {"gracePeriod": "1s"}}},
}


def test_what_a_module_made_is_gone_and_its_starlink_goes_on(shared: Shared) -> None:
    first = shared.lend()
    parts = first.state
    first.apply(TEAM, NOTE, POOL, TASK)
    eventually(first.processes, "the task runs")
    shared.take_back()
    again = shared.lend()
    assert again is first and again.state == parts and not again.processes()
    for kind in ("tasks", "assignments", "pools"):
        assert again.items(kind, "-A") == []
    assert "Task" not in {event["involvedObject"]["kind"] for event in again.items("events", "-A")}
    assert again.get("configmap", "note") == again.get("namespace", "team") == {}
    shared.take_back()


def test_one_that_was_changed_otherwise_is_replaced(shared: Shared) -> None:
    first = shared.lend()
    first.apply({"apiVersion": VERSION, "kind": "Server", "metadata": {"name": "s1", "labels": {"tier": "front"}}})
    pids = first.state["children"].values()
    shared.take_back()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    assert shared.lend() is not first
    assert "tier" not in shared.lend().get("server", "s1")["metadata"]["labels"]
    shared.take_back()
