"""What a command says of a data directory that is another's than it takes it for, or nobody's."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from starlink.cli.main import cli
from starlink.cli.settings import JoinedSettings, save
from starlink.client.config import Config, render
from starlink.files import lock

VERBS = {
    "status": ("status",), "logs": ("logs", "web"), "backup": ("backup", "file"), "kubeconfig": ("kubeconfig",),
    "get": ("get", "tasks"), "up": ("up",),
}  # fmt: skip
OF_A_STARLINK = {verb: words for verb, words in VERBS.items() if verb not in ("logs", "up")}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kubeconfig of the environment is taken for the one that is meant."""
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    """The data dir of the agent of server s2."""
    folder, kubeconfig = tmp_path / "an agent", tmp_path / "s2.kubeconfig"
    folder.mkdir()
    kubeconfig.write_text(render(Config("https://10.0.0.5:6443", b"ca", token="t"), "s2"))
    save(folder / "agent-settings.json", JoinedSettings(name="s2", kubeconfig=str(kubeconfig)))
    return folder


def refused(data_dir: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, ["--data-dir", str(data_dir), *words], catch_exceptions=False)
    assert done.exit_code == 1, done.output
    return done.output


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "logs"])
def test_of_an_agents_it_says_which_agents_and_how_that_is_seen_and_stopped(agents: Path, verb: str) -> None:
    said = refused(agents, *VERBS[verb])
    assert f"{agents} is the data directory of the agent of server s2, which joined StarLink at https://10.0" in said
    assert "`starlink describe server s2`" in said
    assert f"`starlink --data-dir '{agents}' down` stops it" in said and "' up" not in said
    (agents / "agent-settings.json").write_text("{")
    assert f"{agents} is the data directory of an agent, and of no StarLink" in refused(agents, *VERBS[verb])


@pytest.mark.parametrize("verb", OF_A_STARLINK)
def test_of_the_agent_of_a_starlink_it_names_that(tmp_path: Path, verb: str) -> None:
    (tmp_path / "starlink.lock").touch()
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent/agent.lock").touch()
    said = refused(tmp_path / "agent", *VERBS[verb])
    assert f"is of the agent of the StarLink on {tmp_path}; name that with --data-dir" in said and " up" not in said


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "up"])
def test_of_what_others_have_it_does_not_say_to_start_one_there(tmp_path: Path, verb: str) -> None:
    (tmp_path / "letter").touch()
    for path in (tmp_path, tmp_path / "letter"):
        said = refused(path, *VERBS[verb])
        assert f"{path} is of no StarLink and of no agent; name the right --data-dir" in said and " up" not in said
    assert os.listdir(tmp_path) == ["letter"]


def test_where_nothing_is_one_can_be_started_and_has_no_logs(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        assert f"StarLink does not run on {path}; start it with `starlink --data-dir {path} up`" in refused(
            path, "status"
        )
        assert f"{path} is of no StarLink and of no agent" in refused(path, "logs", "web")


def test_one_that_starts_is_not_told_to_be_started(tmp_path: Path) -> None:
    held = lock.take(tmp_path / "starlink.lock")
    try:
        said = refused(tmp_path, "status")
    finally:
        os.close(held)
    assert f"StarLink is not up on {tmp_path} yet: process {os.getpid()} starts or restores it" in said


def test_an_agent_does_not_take_a_starlinks_for_a_strangers(tmp_path: Path, agents: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "starlink.lock").touch()
    said = refused(data, "agent", "--kubeconfig", str(agents.parent / "s2.kubeconfig"), "--name", "s2")
    assert f"--data-dir {data}: it is a StarLink's; name a directory of the agent's own" in said
