"""An agent that is killed, and an API that is away: nothing is lost, nothing is stopped, nothing runs twice."""

import os
import signal
from typing import Any

from tests.conftest import Starlink, eventually


def task(name: str, script: str, **spec: Any) -> dict[str, Any]:
    template = {"command": ["sh", "-c", script]}
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def test_exit_codes_outlive_the_agent(starlink: Starlink) -> None:
    """A batch that ends while no agent lives is Complete, with its own exit code, and ran once."""
    starlink.apply(task("once", "echo ran; sleep 3; exit 0", type="Batch", retries=0))
    eventually(lambda: starlink.processes(), "the batch runs")
    agent = starlink.state["children"]["agent"]
    os.kill(agent, signal.SIGKILL)
    eventually(lambda: starlink.condition("task", "once", "Complete") == "True", "the batch is complete")
    assert starlink.cli("logs", "once").stdout == "ran\n"
    (assignment,) = starlink.items("assignments", "-l", "starlink.dev/task=once")
    assert (assignment["status"]["exitCode"], assignment["spec"]["attempt"]) == (0, 1)
    starlink.cli("delete", "task", "once")


def test_a_supervisor_that_is_killed_takes_its_process_with_it(starlink: Starlink) -> None:
    starlink.apply(task("kept", "exec sleep 100000"))
    eventually(lambda: starlink.condition("task", "kept", "Ready") == "True", "the task is ready")
    before = starlink.processes()
    os.kill(min(before), signal.SIGKILL)  # the supervisor is older than its process
    eventually(
        lambda: len(starlink.processes()) == 2 and not before.keys() & starlink.processes().keys(), "a new pair runs"
    )
    (assignment,) = starlink.items("assignments", "-l", "starlink.dev/task=kept")
    eventually(
        lambda: starlink.items("assignments", "-l", "starlink.dev/task=kept")[0]["status"]["restarts"] == 1,
        "the restart is told",
    )
    assert assignment["spec"]["attempt"] == 1
    starlink.cli("delete", "task", "kept")
    eventually(lambda: not starlink.processes(), "nothing runs any more")


def test_with_the_api_away_what_dies_is_restarted(starlink: Starlink) -> None:
    starlink.apply(task("alone", "exec sleep 100000"))
    eventually(lambda: starlink.condition("task", "alone", "Ready") == "True", "the task is ready")
    os.kill(starlink.state["children"]["apiserver"], signal.SIGSTOP)
    try:
        before = starlink.processes()
        os.kill(max(before), signal.SIGKILL)
        eventually(
            lambda: len(starlink.processes()) == 2 and starlink.processes().keys() != before.keys(), "it runs again"
        )
    finally:
        os.kill(starlink.state["children"]["apiserver"], signal.SIGCONT)
    eventually(
        lambda: starlink.items("assignments", "-l", "starlink.dev/task=alone")[0]["status"]["restarts"] == 1,
        "the news arrives",
    )
    starlink.cli("delete", "task", "alone")


def test_a_liveness_probe_restarts(starlink: Starlink) -> None:
    body = task("ill", "touch well; sleep 2; rm well; exec sleep 100000")
    body["spec"]["template"]["probes"] = {
        "liveness": {"exec": {"command": ["test", "-e", "well"]}, "period": "500ms", "failureThreshold": 2}
    }
    starlink.apply(body)
    eventually(
        lambda: any(a["status"].get("restarts") for a in starlink.items("assignments", "-l", "starlink.dev/task=ill")),
        "it was restarted",
    )
    events = starlink.cli("get", "events").stdout
    assert "LivenessFailed" in events and "the liveness probe failed" in events
    starlink.cli("delete", "task", "ill")


def test_a_further_server_of_the_same_name_is_refused(starlink: Starlink) -> None:
    import subprocess
    import sys

    kubeconfig = starlink.folder / "twin.kubeconfig"
    kubeconfig.write_text(starlink.add_server("s1"))
    done = subprocess.run(
        [sys.executable, "-m", "starlink_nodeagent", "--kubeconfig", str(kubeconfig), "--name", "s1", "--data-dir", str(starlink.folder / "twin")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "is another machine" in done.stderr and "--name" in done.stderr
