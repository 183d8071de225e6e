"""The processes of instances, found among all of this machine and ended: real ones."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from starlink.cli import instances


@pytest.fixture
def started(tmp_path: Path) -> Iterator[dict[str, int]]:
    """Of an instance below the folder, of one elsewhere, and one without a run."""
    below = {"HOME": f"{tmp_path}/s1/work", "STARLINK_RUN": "a/1", "STARLINK_SERVER": "s1"}
    environments = {
        "below": below,
        "elsewhere": {**below, "HOME": f"{tmp_path}-other/s1/work"},
        "no instance": {"HOME": below["HOME"]},
    }
    found = {name: subprocess.Popen(["/bin/sleep", "1000"], env=env) for name, env in environments.items()}
    try:
        yield {name: process.pid for name, process in found.items()}
    finally:
        for process in found.values():
            process.kill()
            process.wait()


def test_those_below_a_folder_are_found_and_ended(tmp_path: Path, started: dict[str, int]) -> None:
    (process,) = instances.below(tmp_path)
    assert (process.pid, process.env["STARLINK_SERVER"]) == (started["below"], "s1")
    assert process.command == b"/bin/sleep\x001000\x00"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert instances.below(tmp_path) == []
    process.kill()


def test_one_that_goes_while_it_is_looked_at_has_no_environment(tmp_path: Path) -> None:
    """Its threads are there when they are asked for, and gone when they are listed."""

    class Going(type(tmp_path)):  # type: ignore[misc]
        def is_dir(self) -> bool:
            return True

    assert instances._environment(Going(tmp_path / "17")) == {}
