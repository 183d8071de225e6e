"""The namespace of the kubeconfig's context, in every command that names none."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import Starlink, eventually

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def task(name: str, **metadata: str) -> dict[str, Any]:
    template = {"command": ["sh", "-c", "echo hello; sleep 100000"], "stop": {"gracePeriod": "1s"}}
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name, **metadata},
        "spec": {"template": template},
    }


@pytest.fixture
def in_team(starlink: Starlink, tmp_path: Path) -> Run:
    """`starlink` with a kubeconfig whose context has the namespace team."""
    starlink.apply(NAMESPACE)
    document = json.loads(starlink.kubeconfig.read_text())
    document["contexts"][0]["context"]["namespace"] = "team"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document))

    def run(*words: str, check: bool = True, **objects: Any) -> "subprocess.CompletedProcess[str]":
        given = objects.get("given")
        return starlink.cli("--kubeconfig", str(path), *words, check=check, stdin=json.dumps(given) if given else None)

    return run


def names(starlink: Starlink, namespace: str) -> list[str]:
    return [one["metadata"]["name"] for one in starlink.items("tasks", "-n", namespace)]


def test_the_contexts_namespace_holds_in_every_command(starlink: Starlink, in_team: Run) -> None:
    assert in_team("plan", "-f", "-", given=task("web")).stdout.startswith("task team/web: 1 to create")
    in_team("apply", "-f", "-", given=task("web"))
    assert (names(starlink, "team"), names(starlink, "default")) == (["web"], [])
    assert in_team("get", "tasks").stdout.splitlines()[1].startswith("web ")
    eventually(lambda: in_team("logs", "web", check=False).stdout == "hello\n", "its output is shown")
    assert in_team("logs", "web", "-n", "default", check=False).returncode == 1
    in_team("delete", "task", "web")
    assert names(starlink, "team") == []


def test_an_objects_own_namespace_wins_and_a_clash_is_an_error(starlink: Starlink, in_team: Run) -> None:
    own = task("own", namespace="default")
    for command in ("plan", "apply", "delete"):
        done = in_team(command, "-n", "team", "-f", "-", given=own, check=False)
        assert done.returncode == 1 and done.stderr == (
            "Error: standard input, document 1: metadata.namespace is 'default', and -n says 'team'; "
            "give -n default, or leave -n away\n"
        )
    assert in_team("plan", "-f", "-", given=own).stdout.startswith("task default/own:")
    in_team("apply", "-f", "-", given=own)
    assert (names(starlink, "team"), names(starlink, "default")) == ([], ["own"])
    in_team("delete", "-f", "-", given=own)


def test_what_has_no_namespace_is_none_of_its_business(starlink: Starlink, in_team: Run) -> None:
    pool = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Pool", "metadata": {"name": "edge"}, "spec": {}}
    in_team("apply", "-n", "nowhere", "-f", "-", given=pool)
    assert in_team("get", "pools").stdout.splitlines()[1].startswith("edge ")
    in_team("delete", "pool", "edge")


def test_get_prints_json_and_yaml_of_what_the_api_holds(starlink: Starlink) -> None:
    starlink.apply(NAMESPACE, task("shown", namespace="team") | {"spec": {"replicas": 0, **task("shown")["spec"]}})
    held = starlink.get("namespace", "team")
    assert held["metadata"]["name"] == "team"
    whole = ("get", "namespace", "team", "--show-managed-fields")
    assert json.loads(starlink.cli(*whole, "-o", "json").stdout) == held
    assert yaml.safe_load(starlink.cli(*whole, "-o", "yaml").stdout) == held
    listed = json.loads(starlink.cli("get", "tasks", "-n", "team", "-o", "json").stdout)
    assert [one["spec"] for one in listed["items"]] == [starlink.get("task", "shown", "-n", "team")["spec"]]
    absent = starlink.cli("get", "task", "shown", "-n", "default", "-o", "json", check=False)
    assert absent.returncode == 1 and starlink.get("task", "shown", "-n", "default") == {}
    starlink.cli("delete", "task", "shown", "-n", "team")
