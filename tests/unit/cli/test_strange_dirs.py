"""What a command does with a data directory that somebody else has laid out."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.unit.client.kubeconfigs import kubeconfig, plugin

from starlink.cli import parts
from starlink.cli.main import cli


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kubeconfig of the environment is taken for the one that is meant, and this process is taken for an `up`."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(parts, "is_launcher", lambda pid: pid == os.getpid())


def refused(data_dir: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, ["--data-dir", str(data_dir), *words], catch_exceptions=False)
    assert done.exit_code == 1, done.output
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
