"""The commands of docs/cli.md do what it says, each in its turn."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Starlink, eventually

PAGE = ROOT / "docs" / "cli.md"
FOLLOWS = re.compile(r" -w\b")
FOR_A_SHELL = re.compile(r" [|>] ")


def task(name: str) -> dict[str, Any]:
    spec = {"template": {"command": ["sleep", "3600"]}}
    return {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": name}, "spec": spec}


def test_each_command_of_the_page_works(starlink: Starlink, tmp_path: Path) -> None:
    pool = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Pool", "metadata": {"name": "edge"}, "spec": {}}
    starlink.apply(task("web"), task("hello"), pool)
    starlink.add_server("s2")
    eventually(lambda: starlink.condition("task", "web", "Ready") == "True", "web is ready")
    commands = re.findall(r"^    (starlink .*)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) > 15
    for command in commands:
        done = run(starlink, tmp_path, command)
        wanted = 124 if FOLLOWS.search(command) else 0
        assert done.returncode == wanted, (command, done)
        assert done.stdout or ">" in command, command
    assert [starlink.get("task", name) for name in ("web", "hello")] == [{}, {}] and starlink.get("server", "s2") == {}
    assert (tmp_path / ".zfunc" / "_starlink").read_text().startswith("#compdef starlink")


def run(starlink: Starlink, home: Path, command: str) -> "subprocess.CompletedProcess[str]":
    """Runs a line as a person would, in a shell where it means something to one; one that follows is ended after a
    while."""
    if not FOLLOWS.search(command) and not FOR_A_SHELL.search(command):
        return starlink.cli(*shlex.split(command, comments=True)[1:], check=False)
    for folder in (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    program = f'starlink() {{ $END "{sys.executable}" -m starlink.cli --data-dir "{starlink.data}" "$@"; }}; {command}'
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    end = "timeout 10" if FOLLOWS.search(command) else ""
    return subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, timeout=90, check=False,
        env={**env, "HOME": str(home), "END": end},
    )  # fmt: skip
