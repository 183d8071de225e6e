"""`down` and `status` say and do what is true, on each kind of data directory."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import command
from tests.conftest import Starlink, eventually, instances_below

TASK = {
    "apiVersion": "starlink.dev/v1alpha1",
    "kind": "Task",
    "metadata": {"name": "both"},
    "spec": {
        "servers": [{"name": "s1", "replicas": 1}, {"name": "s2", "replicas": 1}],
        "template": {"command": ["sleep", "100000"]},
    },
}

GONE = {
    "apiVersion": "starlink.dev/v1alpha1",
    "kind": "Server",
    "metadata": {"name": "s2", "annotations": {"starlink.dev/gone": "true"}},
}


@pytest.fixture
def second(starlink: Starlink) -> Iterator[Path]:
    """The data dir of a further server's agent, with an instance on each of the two."""
    data = starlink.folder / "s2"
    kubeconfig = starlink.folder / "s2.kubeconfig"
    kubeconfig.write_text(starlink.add_server("s2"))
    words = ("agent", "--kubeconfig", str(kubeconfig), "--data-dir", str(data))
    with (starlink.folder / "s2.log").open("ab") as log:
        agent = subprocess.Popen([sys.executable, "-m", "starlink.cli", *words], stdout=log, stderr=log)
    try:
        starlink.apply(TASK)
        eventually(lambda: instances_below(data) and instances_below(starlink.data), "an instance runs on each")
        eventually(lambda: starlink.condition("task", "both", "Ready") == "True", "the task is ready")
        yield data
    finally:
        if agent.poll() is None:
            agent.send_signal(signal.SIGTERM)
        agent.wait(30)
        starlink.apply(GONE)  # what nobody stopped there is given up, and nobody waits for it


def down(data_dir: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return command.run(("down", *words, "--data-dir", str(data_dir)))


def test_on_an_agents_data_dir_it_stops_that_agent_and_its_tasks(starlink: Starlink, second: Path) -> None:
    others = instances_below(starlink.data)
    done = down(second, "--tasks")
    assert done.returncode == 0 and "the agent and its tasks are stopped" in done.stdout
    assert not instances_below(second) and instances_below(starlink.data) == others
    again = down(second, "--tasks")
    assert again.returncode == 0 and "no agent ran" in again.stdout
    nobody = down(second)
    assert nobody.returncode == 1 and f"no agent runs on {second}" in nobody.stderr


def test_the_agent_of_up_is_stopped_with_it_alone(starlink: Starlink) -> None:
    done = down(starlink.data / "agent", "--tasks")
    assert done.returncode == 1 and f"starlink --data-dir {starlink.data} down --tasks" in done.stderr
    assert starlink.cli("status").returncode == 0


@pytest.mark.parametrize("words", [(), ("--tasks",)])
def test_on_anything_else_it_refuses_and_makes_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "letter").touch()
    before = tmp_path.stat().st_mode
    for folder in (tmp_path, tmp_path / "gone"):
        done = down(folder, *words)
        assert done.returncode == 1 and f"{folder} is of no StarLink and of no agent" in done.stderr
    assert os.listdir(tmp_path) == ["letter"] and tmp_path.stat().st_mode == before


def test_status_fails_when_a_part_is_down(starlink: Starlink) -> None:
    assert starlink.cli("status").returncode == 0
    state = starlink.state
    gone = subprocess.Popen(["true"])
    gone.wait()
    for part, pid in (("operator", None), ("agent", gone.pid)):
        changed = {**state, "children": {**state["children"], part: pid}}
        (starlink.data / "run.json").write_text(json.dumps(changed))
        done = starlink.cli("status", check=False)
        assert done.returncode == 1 and f"{part} is not running" in done.stderr
        assert "apiserver   pid" in done.stdout and "NAME" in done.stdout
    (starlink.data / "run.json").write_text(json.dumps(state))
