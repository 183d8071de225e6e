"""kill -9 of an agent, a driver, and its supervisor, of a StarLink that is up: what the driver keeps goes on, and once."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Kubectl, Starlink, eventually, standing
from tests.tools import KUBECTL

OPERATOR = ("--as", "system:starlink:operator", "--as-group", "system:masters")
"""Only the operator writes drivers."""


@pytest.fixture(scope="module")
def starlink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    with standing(tmp_path_factory.mktemp("drivers")) as made:
        yield made


@pytest.fixture
def kubectl(starlink: Starlink, tmp_path: Path) -> Kubectl:
    return Kubectl(KUBECTL.path(), starlink.kubeconfig, tmp_path)


def keeping(command: list[str]) -> str:
    template = {
        "runtime": "Driver",
        "driver": {"name": "exec-report", "operation": "keep", "spec": {"command": command}},
        "restart": {"backoff": {"initial": "100ms", "max": "1s"}},
        "stop": {"gracePeriod": "5s"},
    }
    metadata = {"name": "keeper", "namespace": "default"}
    return json.dumps(
        {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": metadata, "spec": {"template": template}}
    )


def status(starlink: Starlink) -> dict[str, Any]:
    found = starlink.items("assignments")
    return dict(found[0]["status"]) if len(found) == 1 else {}


def kept(starlink: Starlink) -> list[int]:
    return [pid for pid, run in starlink.processes().items() if run.endswith("/kept")]


def of_the_run(starlink: Starlink, *, supervisor: bool) -> int:
    """The driver, or its supervisor."""
    runs = [pid for pid, run in starlink.processes().items() if not run.endswith("/kept")]
    words = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in runs}
    return next(pid for pid in runs if (b"starlink-run" in words[pid]) is supervisor)


def test_what_a_driver_keeps_outlives_all_that_is_killed_and_goes_with_its_task(
    starlink: Starlink, kubectl: Kubectl
) -> None:
    kubectl("create", "-f", "-", *OPERATOR, stdin=keeping(["sleep", "100000"]))
    eventually(lambda: status(starlink).get("result"), "something is kept")
    (pid,) = kept(starlink)
    assert status(starlink)["result"] == {"pid": pid, "adopted": False}
    for victim in ("agent", "driver", "agent", "supervisor"):
        agent, restarts = starlink.state["children"]["agent"], status(starlink)["restarts"]
        os.kill(agent if victim == "agent" else of_the_run(starlink, supervisor=victim == "supervisor"), signal.SIGKILL)
        if victim == "agent":
            eventually(lambda: starlink.state["children"]["agent"] not in (agent, None, 0), "another agent is there")  # noqa: B023
        else:
            eventually(lambda: status(starlink).get("restarts") == restarts + 1, "the driver runs again")  # noqa: B023
            eventually(lambda: status(starlink)["result"] == {"pid": pid, "adopted": True}, "it has adopted it")
        assert kept(starlink) == [pid], victim
    kubectl("delete", "task", "keeper", "--wait")
    eventually(lambda: not starlink.items("assignments"), "its assignment is gone, once nothing of it runs")
    assert starlink.processes() == {}
