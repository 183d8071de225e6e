"""What a command does with a data directory that somebody else has laid out."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.unit.client.kubeconfigs import kubeconfig, plugin

from starlink.cli import parts
from starlink.cli.faults import os_error
from starlink.cli.main import cli
from starlink.client.errors import Unreachable
from starlink.client.kube import Client


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kubeconfig of the environment is taken for the one that is meant, and this process is taken for an `up`."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(parts, "is_launcher", lambda pid: pid == os.getpid())


def refused(data_dir: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, ["--data-dir", str(data_dir), *words])
    assert done.exit_code == 1, done.output
    if isinstance(done.exception, OSError):
        return f"Error: {os_error(done.exception)}"
    assert isinstance(done.exception, SystemExit), done.exception
    return done.output


def runs(folder: Path, **changed: Any) -> None:
    """The note of a StarLink that runs."""
    note = {"pid": os.getpid(), "url": "https://127.0.0.1:1", "server": "", "children": {}}
    (folder / "run.json").write_text(json.dumps(note | changed))


@pytest.mark.parametrize("words", [("status",), ("get", "tasks"), ("server", "list")])
def test_no_program_is_run_that_the_kubeconfig_of_a_data_dir_names(tmp_path: Path, words: tuple[str, ...]) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    runs(tmp_path)
    file = kubeconfig(tmp_path / "admin.kubeconfig", user=plugin("./program"))
    assert f"{file}: users[].user.exec is set; StarLink writes none into a data directory" in refused(tmp_path, *words)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("part", "field"), [("user", "tokenFile"), ("user", "client-key"), ("cluster", "certificate-authority")]
)
def test_no_file_is_read_that_the_kubeconfig_of_a_data_dir_names(tmp_path: Path, part: str, field: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    changed: dict[str, Any] = {part: {field: "fifo"}}
    kubeconfig(tmp_path / "admin.kubeconfig", **changed)
    assert f"{part}s[].{part}.{field} is set" in refused(tmp_path, "get", "tasks")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


STRANGE = pytest.mark.parametrize("lay", [pipe, endless, huge, nested])
Lay = Callable[[Path], None]


@STRANGE
@pytest.mark.parametrize("name", ["agent-settings.json", "agent.token"])
def test_of_an_agents_directory_nothing_is_waited_for(tmp_path: Path, lay: Lay, name: str) -> None:
    (tmp_path / "agent-id").touch()
    lay(tmp_path / name)
    for words in (("status",), ("logs", "web"), ("get", "tasks")):
        assert str(tmp_path) in refused(tmp_path, *words)


@STRANGE
def test_a_kubeconfig_that_an_agents_settings_name_is_not_waited_for(tmp_path: Path, lay: Lay) -> None:
    lay(tmp_path / "config")
    for named in (str(tmp_path / "config"), "a\0b"):
        (tmp_path / "agent-settings.json").write_text(json.dumps({"name": "s2", "kubeconfig": named}))
        assert "is the data directory of the agent of server s2, and of no StarLink" in refused(tmp_path, "status")


@STRANGE
def test_a_strange_note_of_what_runs_or_kubeconfig_of_it_is_told(tmp_path: Path, lay: Lay) -> None:
    lay(tmp_path / "run.json")
    assert str(tmp_path) in refused(tmp_path, "status")
    (tmp_path / "run.json").unlink()
    runs(tmp_path)
    lay(tmp_path / "admin.kubeconfig")
    for words in (("status",), ("get", "tasks")):
        assert f"Error: {tmp_path}/admin.kubeconfig" in refused(tmp_path, *words)


@pytest.mark.parametrize(
    "changed", [{"url": "\x1b[2J"}, {"url": "\ud800"}, {"children": []}, {"children": {"agent": "../x"}}, {"server": 1}]
)
def test_a_note_that_up_would_not_write_is_as_none(tmp_path: Path, changed: dict[str, Any]) -> None:
    runs(tmp_path, **changed)
    assert f"StarLink does not run on {tmp_path}" in refused(tmp_path, "status")


@STRANGE
def test_logs_pass_over_a_strange_record_and_a_log_of_a_strange_name(tmp_path: Path, lay: Lay) -> None:
    good, other = tmp_path / "instances/u", tmp_path / "instances/v"
    (good / "logs").mkdir(parents=True)
    other.mkdir()
    lay(other / "record.json")
    record = {"namespace": "default", "name": "web-1", "task": "web", "slot": "1"}
    (good / "record.json").write_text(json.dumps(record))
    (good / "logs/².log").write_text("strange\n")
    (good / "logs/1.log").write_text("old\n")
    (good / "logs/current.log").write_text("new\n")
    done = CliRunner().invoke(cli, ["--data-dir", str(tmp_path), "logs", "web"], catch_exceptions=False)
    assert (done.exit_code, done.output) == (0, "old\nnew\n")


def test_a_client_that_can_not_begin_is_the_api_servers_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_client: Client) -> None:
        raise Unreachable("exec login: it failed")

    runs(tmp_path, children={"apiserver": os.getpid()})
    kubeconfig(tmp_path / "admin.kubeconfig")
    monkeypatch.setattr(Client, "__aenter__", fails)
    assert "Error: apiserver gives no good answer: exec login: it failed" in refused(tmp_path, "status")


def test_a_kubeconfig_without_a_certificate_is_told_by_status(tmp_path: Path) -> None:
    runs(tmp_path, children={"apiserver": os.getpid()})
    kubeconfig(tmp_path / "admin.kubeconfig", cluster={"certificate-authority-data": "anVuaw=="})
    assert "certificate-authority holds no certificate in PEM" in refused(tmp_path, "status")
