"""`starlink delete` waits until processes are gone, and its exit code says what became of it."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

from tests.conftest import Starlink, eventually

STUBBORN = 'trap "" TERM; touch ready; while :; do sleep 0.1; done'
"""Goes only when it is killed, at the end of the grace period."""


def task(name: str, grace: str = "1s", **spec: Any) -> dict[str, Any]:
    template = {"command": ["sh", "-c", STUBBORN], "stop": {"gracePeriod": grace}}
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def running(starlink: Starlink, *tasks: dict[str, Any]) -> None:
    """Applies the tasks and waits until all their processes have set their traps."""
    starlink.apply(*tasks)
    wanted = sum(one["spec"].get("replicas", 1) for one in tasks)
    instances = starlink.data / "agent" / "instances"
    eventually(lambda: len([*instances.glob("*/**/ready")]) == wanted, "the processes run")


def test_a_deletion_ends_when_the_processes_are_gone(starlink: Starlink) -> None:
    running(starlink, task("one", "4s", replicas=2), task("two"))
    done = starlink.cli("delete", "task", "one")
    left = starlink.processes()
    assert done.stdout == "task default/one deleted\n" and len({*left.values()}) == 1, left
    assert "2 instances have not stopped yet: one-" in done.stderr and " on s1" in done.stderr
    starlink.cli("delete", "task/two")
    assert not starlink.processes() and starlink.items("assignments") == []


def test_a_deletion_whose_time_is_up_says_so_and_goes_on(starlink: Starlink) -> None:
    running(starlink, task("slow", "5s"))
    done = starlink.cli("delete", "task", "slow", "--timeout", "100ms", check=False)
    assert (done.returncode, done.stdout) == (3, "") and starlink.processes()
    assert "task default/slow is gone; after 100ms 1 instance has not stopped yet: slow-" in done.stderr
    again = starlink.cli("delete", "task", "slow")
    assert again.stdout == "task default/slow deleted\n" and not starlink.processes()


def test_who_does_not_wait_is_not_told_that_it_is_gone(starlink: Starlink) -> None:
    running(starlink, task("quick"), task("other"))
    done = starlink.cli("delete", "task", "quick", "--wait=false")
    assert done.stdout == "task default/quick is being deleted\n" and starlink.processes()
    assert starlink.cli("delete", "task", "other", "--no-wait").stdout == "task default/other is being deleted\n"
    assert starlink.cli("delete", "task", "x", "--wait=maybe", check=False).returncode == 2
    eventually(lambda: not starlink.processes(), "both stop")


def test_ctrl_c_ends_the_waiting_and_not_the_deletion(starlink: Starlink) -> None:
    running(starlink, task("slow", "4s"))
    interrupted(starlink, "task", "slow", said="1 instance has not stopped yet")
    eventually(lambda: not starlink.processes(), "it stops all the same")
    assert starlink.get("task", "slow") == {}


def interrupted(starlink: Starlink, kind: str, name: str, *, said: str) -> None:
    """Interrupts a deletion once it says what it waits for."""
    command = [sys.executable, "-m", "starlink.cli", "--data-dir", str(starlink.data), "delete", kind, name]
    place = "default/" if kind == "task" else ""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            if said in line:
                break
        else:
            raise AssertionError(f"it ended without a word of {said!r}")
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == f"interrupted; the deletion of {kind} {place}{name} goes on\n"
        assert process.stdout.read() == "" and process.wait(timeout=60) == 130


def test_what_is_not_there_is_an_error_by_name_and_none_by_file(starlink: Starlink) -> None:
    starlink.apply(task("there", replicas=0))
    done = starlink.cli("delete", "task", "ther", "there", check=False)
    assert (done.returncode, done.stdout) == (1, "task default/there deleted\n")
    assert done.stderr.startswith("Error: there is no task ther in namespace default")
    by_file = starlink.cli("delete", "-f", "-", stdin=json.dumps(task("there")))
    assert by_file.stderr.startswith("there is no task there in namespace default")
    for words in ((), ("task",), ("-f", "x", "task", "web")):
        refused = starlink.cli("delete", *words, check=False)
        assert refused.returncode == 2 and "give" in refused.stderr


def test_a_silent_server_says_what_helps(starlink: Starlink) -> None:
    """Last: nothing of this StarLink's server is left then."""
    running(starlink, task("kept"))
    agent = starlink.state["children"]["agent"]
    os.kill(agent, signal.SIGSTOP)
    try:
        eventually(lambda: starlink.condition("server", "s1", "Ready") == "Unknown", "its silence is told")
        way_out = f"for good with `starlink --data-dir {starlink.data} delete server s1 --force`"
        interrupted(starlink, "server", "s1", said=way_out)
        done = starlink.cli("delete", "task", "kept", "--timeout", "500ms", check=False)
        assert done.returncode == 3 and "s1 is not heard: start the agent there again" in done.stderr
        assert way_out in done.stderr
        forced = starlink.cli("server", "remove", "s1", "--force", "--timeout", "60s")
        assert forced.stdout == "server s1 deleted\n"
    finally:
        os.kill(agent, signal.SIGCONT)
