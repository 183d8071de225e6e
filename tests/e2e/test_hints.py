"""Every command that a person is told to run names the data directory that is meant, as a shell takes it."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import Starlink, eventually, standing

from starlink.cli.main import COMMANDS

VERBS = "|".join(sorted(set(COMMANDS) - {"agent"}))
TOLD = re.compile(rf"\bstarlink ({VERBS})\b(?! --help| \[OPTIONS)")
"""A command without the data directory; that of an agent has another, on its own machine."""


@pytest.fixture(scope="module")
def spaced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """Whose data directory has a space in its path."""
    with standing(tmp_path_factory.mktemp("x y")) as found:
        yield found


def task(name: str, **spec: Any) -> dict[str, Any]:
    template = {"command": ["sleep", "3600"]}
    return {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": name},
            "spec": {"template": template, **spec}}  # fmt: skip


def test_the_starlink_of_kubeconfig_is_the_one_that_is_meant(spaced: Starlink) -> None:
    env = {**os.environ, "KUBECONFIG": str(spaced.kubeconfig)}

    def said(*words: str) -> str:
        command = [sys.executable, "-m", "starlink.cli", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)
        return done.stdout + done.stderr

    assert str(spaced.data) in said("status")
    assert f"looked in {spaced.data})" in said("logs", "nothing-of-this-name")
    told = said("server", "add", "s9")
    assert (
        f"{shlex.quote(str(spaced.data))} down, and then starlink --data-dir " in told
        and "up --detach --listen" in told
    )


def test_every_command_that_is_told_names_the_data_directory(spaced: Starlink) -> None:
    nowhere = task("nowhere", placement={"pool": "elsewhere"})
    pool = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Pool", "metadata": {"name": "edge"}, "spec": {}}
    spaced.apply(task("web", replicas=2), *(task(f"idle-{n}", suspend=True) for n in range(9)), pool)
    (spaced.folder / "plan.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: value}\n"
    )
    eventually(lambda: spaced.condition("task", "web", "Ready") == "True", "web is ready")
    spaced.add_server("s2")
    instance = spaced.items("assignments", "-l", "starlink.dev/task=web")[0]["metadata"]["name"]
    spaced.cli("cordon", "s2")
    files = ["-f", str(spaced.folder / "plan.yaml")]
    said = {
        words: spaced.cli(*words, check=False)
        for words in [
            ("status",),
            ("plan", *files),
            ("apply", *files, "--plan", "junk"),
            ("describe", "server", "s2"),
            ("describe", "assignment", instance),
            ("describe", "task"),
            ("describe", "configmap", "a"),
            ("logs", "nothing"),
            ("server", "add", "s2", "--pool", "edge", "--server", spaced.state["url"]),
            ("up",),
        ]
    }
    named = f"starlink --data-dir {shlex.quote(str(spaced.data))} "
    silent = [words for words, done in said.items() if named not in done.stdout + done.stderr]
    assert not silent, said[silent[0]]
    told = [done.stdout + done.stderr for done in said.values()]
    told += [
        done.stdout + done.stderr
        for done in (
            spaced.cli("apply", "-f", "-", "--wait", "--timeout", "5s", stdin=json.dumps(nowhere), check=False),
            spaced.cli("describe", "task", "nowhere"),
            spaced.cli("delete", "server", "s2", "--timeout", "1s", check=False),
            spaced.cli("get", "task", "web2", check=False),
            spaced.cli("pool", "move", "s1", "nothing", check=False),
            spaced.cli("rebalance", "--dry-run"),
            spaced.cli("server", "list"),
            spaced.cli("down"),
            spaced.cli("status", check=False),
            spaced.cli("get", "tasks", check=False),
        )
    ]
    unnamed = [line for text in told for line in text.splitlines() if TOLD.search(line)]
    assert not unnamed
