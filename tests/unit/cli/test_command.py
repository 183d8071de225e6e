"""`starlink` in the process of the tests says and does what it does as a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests import command
from tests.conftest import eventually


@pytest.mark.parametrize(
    "words",
    [
        *(("--version",), ("get", "tasks"), ("apply", "-f", "-", "--wait"), ("nonsense",), ("completion", "bash")),
        ("up", "--detach", "--listen", "192.0.2.99:6443"),
    ],
)
def test_it_is_the_same_here_and_as_a_process(words: tuple[str, ...], tmp_path: Path) -> None:
    words = ("--data-dir", str(tmp_path), *words)
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    there = subprocess.run(
        [sys.executable, "-m", "starlink.cli", *words],
        input="kind: {}", capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    here = command.run(words, "kind: {}")
    assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr)


def test_the_process_of_the_tests_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "mine")

    def state() -> tuple[object, ...]:
        return sys.argv, sys.stdin, sys.stdout, sys.stderr, signal.getsignal(signal.SIGINT), os.environ["KUBECONFIG"]

    before = state()
    assert command.run(("--data-dir", str(tmp_path), "get", "tasks")).returncode
    assert state() == before


async def test_what_lives_on_or_needs_a_loop_of_its_own_gets_a_process() -> None:
    assert not command.can_run_here(("get", "tasks"))
    assert not await asyncio.to_thread(command.can_run_here, ("get", "tasks"))


def test_what_ends_by_itself_runs_here() -> None:
    assert command.can_run_here(("get", "tasks")) and command.can_run_here(("up", "--detach"))
    assert not command.can_run_here(("up",)) and not command.can_run_here(("agent", "--detach"))


def test_what_is_detached_leaves_nobody_dead_behind() -> None:
    """As where init is its parent: who looks for its pid finds nobody."""
    child = command._Child([sys.executable, "-c", ""])
    eventually(lambda: not Path(f"/proc/{child.pid}").exists(), "the process has gone, and nobody asked for it")
