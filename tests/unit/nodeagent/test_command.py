"""What an instance starts, and where: real files, and what is said of those that are not there."""

from pathlib import Path

import pytest

from starlink.api.template import Template
from starlink_nodeagent.command import command_of, directory_of
from starlink_nodeagent.failure import Failure


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for name in ("start.sh", "bin/tool"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "plain").write_text("data")
    return tmp_path


def test_a_command_starts_in_its_directory(work: Path) -> None:
    assert directory_of(Template(), work) == work
    assert directory_of(Template(working_dir="bin"), work) == work / "bin"
    assert directory_of(Template(working_dir="/"), work) == Path("/")


def test_without_a_command_it_is_start_sh(work: Path) -> None:
    assert command_of(Template(args=("a",)), work, "") == ["./start.sh", "a"]


def test_a_path_is_taken_from_the_directory_and_a_name_from_path(work: Path) -> None:
    assert command_of(Template(command=("./tool", "x"), args=("y",)), work / "bin", "") == ["./tool", "x", "y"]
    assert command_of(Template(command=("tool",)), work, f"/nowhere:{work / 'bin'}") == ["tool"]


@pytest.mark.parametrize(
    ("command", "reason", "said"),
    [
        ("./absent", "CommandNotFound", "./absent is not there"),
        ("./bin", "CommandNotFound", "./bin is not there"),
        ("./plain", "CommandNotExecutable", "./plain is not executable; pack it with its x bit"),
        ("start.sh", "CommandNotFound", r"start.sh is not found in PATH \(/nowhere\)"),
    ],
)
def test_what_can_not_be_run_is_told(work: Path, command: str, reason: str, said: str) -> None:
    with pytest.raises(Failure, match=said) as caught:
        command_of(Template(command=(command,)), work, "/nowhere")
    assert caught.value.reason == reason


@pytest.mark.parametrize("working_dir", ["absent", "plain"])
def test_a_working_directory_that_is_none_is_told(work: Path, working_dir: str) -> None:
    with pytest.raises(Failure, match=f"workingDir '{working_dir}' is no directory") as caught:
        directory_of(Template(working_dir=working_dir), work)
    assert caught.value.reason == "WorkingDirNotFound"
