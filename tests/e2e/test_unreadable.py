"""Objects of a newer version, and statuses that nobody can use, on a running StarLink: nothing stops, all others go on."""

import asyncio
import copy
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import Starlink, eventually
from tests.crds import shipped

from starlink.api.kinds import ASSIGNMENT, TASK, Kind
from starlink.client.config import load
from starlink.client.kube import Client

Obj = dict[str, Any]
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
RUN = {"command": ["sh", "-c", "exec sleep 100000"], "stop": {"gracePeriod": "1s"}}


def schema(crd: Obj) -> Obj:
    found: Obj = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


@pytest.fixture(scope="module")
def newer(starlink: Starlink) -> Iterator[Starlink]:
    """Its CRDs are a newer version's: there is a runtime more and a wish more, and any status is taken."""
    crds = {kind: shipped(kind.plural) for kind in (TASK, ASSIGNMENT)}
    for kind, crd in copy.deepcopy(crds).items():
        schema(crd).pop("x-kubernetes-validations", None)
        parts = schema(crd)["properties"]
        parts["spec"]["properties"]["template"]["properties"]["runtime"]["enum"].append("Container")
        parts["status"] = ANYTHING
        if kind == ASSIGNMENT:
            parts["spec"]["properties"]["desired"]["enum"].append("Paused")
            parts["spec"].pop("x-kubernetes-validations")
        starlink.apply(crd)
    yield starlink
    starlink.apply(*crds.values())


def task(name: str, **spec: Any) -> Obj:
    return {
        "apiVersion": TASK.api_version,
        "kind": TASK.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": RUN, **spec},
    }


def patch(starlink: Starlink, kind: Kind, name: str, changed: Obj, subresource: str = "") -> None:
    async def write() -> None:
        async with Client(load(starlink.kubeconfig)) as client:
            await client.patch(kind, name, changed, "default", subresource=subresource)

    asyncio.run(write())


def restart(starlink: Starlink, child: str) -> None:
    before = starlink.state["children"][child]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: starlink.state["children"].get(child) not in (before, None), f"another {child} is there")


def reason(starlink: Starlink, name: str) -> str:
    conditions = starlink.get("task", name).get("status", {}).get("conditions", [])
    return next((one["reason"] for one in conditions if one["type"] == "Ready"), "")


def assignments(starlink: Starlink, name: str) -> list[Obj]:
    return starlink.items("assignments", "-l", f"starlink.dev/task={name}")


def test_a_task_of_a_newer_version_keeps_all_that_runs(newer: Starlink) -> None:
    newer.apply(task("odd", replicas=2), task("well"))
    eventually(lambda: [reason(newer, name) for name in ("odd", "well")] == ["AllReady"] * 2, "both run")
    before = newer.processes()
    patch(newer, TASK, "odd", {"spec": {"template": {"runtime": "Container"}}})
    eventually(lambda: reason(newer, "odd") == "Unreadable", "the status says what is")
    restart(newer, "operator")
    newer.apply(task("later"))
    eventually(lambda: reason(newer, "later") == "AllReady", "the operator serves the others")
    assert before.items() <= newer.processes().items() and reason(newer, "odd") == "Unreadable"
    assert [one["status"]["phase"] for one in assignments(newer, "odd")] == ["Running", "Running"]
    told = newer.cli("get", "task", "odd").stdout
    assert "spec.template.runtime: 'Container' is no value that this version knows" in told or "Unreadable" in told
    patch(newer, TASK, "odd", {"spec": {"template": {"runtime": "Process"}}})
    eventually(lambda: reason(newer, "odd") == "AllReady", "it goes on once it can be read")
    assert before.items() <= newer.processes().items()
    newer.cli("delete", "task", "odd", "well", "later")
    eventually(lambda: not newer.processes(), "nothing runs any more")


@pytest.mark.parametrize("changed", [{"desired": "Paused"}, {"template": {"runtime": "Container"}}])
def test_an_assignment_of_a_newer_version_goes_on(newer: Starlink, changed: Obj) -> None:
    """Whoever is restarted: the agent, the operator, or both."""
    newer.apply(task("odd", replicas=2))
    eventually(lambda: reason(newer, "odd") == "AllReady", "it runs")
    before = newer.processes()
    name = assignments(newer, "odd")[0]["metadata"]["name"]
    patch(newer, ASSIGNMENT, name, {"spec": changed})
    eventually(lambda: newer.get("assignment", name)["status"].get("reason") == "Unreadable", "its agent says what is")
    for child in ("agent", "operator"):
        restart(newer, child)
    newer.apply(task("later"))
    eventually(lambda: reason(newer, "later") == "AllReady", "both serve the others")
    assert before.items() <= newer.processes().items()
    found = newer.get("assignment", name)
    assert found["status"]["phase"] == "Running" and "deletionTimestamp" not in found["metadata"]
    assert "upgrade the agent" in found["status"]["message"]
    if "desired" in changed:
        eventually(lambda: reason(newer, "odd") == "Unreadable", "so does its task")
    newer.cli("delete", "task", "odd", "later")
    eventually(lambda: not newer.processes(), "what is deleted stops")


STATUSES: list[Obj] = [
    {"completedSlots": "1-x"},
    {"completedSlots": ",".join(["0-99999"] * 20_000)},
    {"completedSlots": 7, "phase": []},
    {"slots": [{"slot": "front", "attempts": -1, "failures": 10**30}]},
    {"startedAt": "yesterday", "suspendedAt": "soon", "suspendedSeconds": -5},
    {"conditions": [{"type": "Failed", "status": "Perhaps"}]},
    {"artifact": {"digest": 7}},
    {"conditions": None, "slots": None},
]


def test_a_status_that_nobody_can_use_ends_nothing(newer: Starlink) -> None:
    """Also at a start, which looks at all of them at once."""
    names = [f"bad-{number}" for number in range(len(STATUSES))]
    newer.apply(*(task(name, type="Batch", completions=2, deadline="24h", suspend=True) for name in names))
    eventually(lambda: all(reason(newer, name) for name in names), "they are seen")
    for name, status in zip(names, STATUSES, strict=True):
        patch(newer, TASK, name, {"status": status}, "status")
    newer.apply(task("good"))
    eventually(lambda: reason(newer, "good") == "AllReady", "another task is served")
    restart(newer, "operator")
    newer.apply(task("later"))
    eventually(lambda: reason(newer, "later") == "AllReady", "and so is one after the restart")
    eventually(lambda: reason(newer, names[2]) == "Unreadable", "what can't be read is told")
    pid = newer.state["children"]["operator"]
    newer.cli("delete", "task", "good", "later", *names)
    eventually(lambda: not newer.processes(), "and what is deleted stops")
    assert newer.state["children"]["operator"] == pid, "the operator was not started again"
