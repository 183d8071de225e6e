"""`up` says that it is up when all of it stands, and else what does not, in words; tasks go on either way."""

import os
from collections.abc import Iterator

import pytest
from tests.conftest import Starlink, _let_pass, eventually

from starlink.files import lock

TASK = {
    "apiVersion": "starlink.dev/v1alpha1",
    "kind": "Task",
    "metadata": {"name": "goes-on"},
    "spec": {"template": {"command": ["sleep", "100000"]}},
}


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """A StarLink that is down, with an instance that goes on."""
    folder = tmp_path_factory.mktemp("a rack")
    _let_pass(folder)
    found = Starlink(folder)
    try:
        found.up()
        found.apply(TASK)
        eventually(lambda: found.condition("task", "goes-on", "Ready") == "True", "the task is ready")
        yield found
    finally:
        found.remove()


def test_a_second_up_leaves_the_log_of_the_first_alone(rack: Starlink) -> None:
    log = rack.data / "logs" / "up.log"
    before = log.read_text()
    assert "StarLink is up at" in before
    for words in (("up", "--detach"), ("up",)):
        done = rack.cli(*words, check=False)
        assert done.returncode == 1 and f"StarLink already runs on {rack.data}" in done.stderr
        assert f"`starlink --data-dir '{rack.data}' down`" in done.stderr
    assert log.read_text() == before


def test_an_agent_that_does_not_stay_up_is_an_error_in_words_and_tasks_go_on(rack: Starlink) -> None:
    processes = rack.processes()
    rack.cli("down")
    held = rack.data / "agent" / "agent.lock"
    held.unlink()
    held.mkdir()  # the agent can't lock it, and ends with a traceback
    try:
        done = rack.cli("up", "--detach", check=False)
    finally:
        held.rmdir()
    assert done.returncode == 1 and "StarLink is up" not in done.stdout, done.stdout
    assert f"Error: agent does not stay up: IsADirectoryError: [Errno 21] Is a directory: '{held}'" in done.stderr
    assert f"all of it: {rack.data}/logs/agent.log" in done.stderr
    assert '{"ts"' not in done.stderr and "Traceback" not in done.stderr
    lock_is_free = lock.take(rack.data / "starlink.lock")
    os.close(lock_is_free)
    assert processes and rack.processes() == processes


def test_it_is_up_once_its_agent_is_heard_anew(rack: Starlink) -> None:
    """What the Lease and the Server of the last start say is old."""
    processes = rack.processes()
    done = rack.cli("up", "--detach")
    said = done.stdout
    assert "StarLink is up at" in said and f"starlink --data-dir '{rack.data}' down" in said
    assert "not ready" not in said and done.stderr == ""
    assert processes and rack.processes() == processes


def test_tasks_that_could_not_be_stopped_are_told_in_words(rack: Starlink) -> None:
    rack.cli("down")
    held = lock.take(rack.data / "agent" / "agent.lock")
    try:
        done = rack.cli("down", "--tasks", check=False)
    finally:
        os.close(held)
    assert done.returncode == 1 and '{"ts"' not in done.stderr
    assert f"the tasks of {rack.data}/agent could not be stopped: " in done.stderr
    assert f"another agent runs on {rack.data}/agent" in done.stderr
    gone = rack.cli("down", "--tasks")
    assert f"StarLink did not run; the tasks of {rack.data}/agent are stopped" in gone.stdout
    assert not rack.processes()
