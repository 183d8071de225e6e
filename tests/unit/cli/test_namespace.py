"""Which namespace a command means."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from starlink.cli.main import cli
from starlink.cli.manifests import Manifest
from starlink.cli.namespace import Namespace, namespace_of
from starlink.client.config import Config, render


def context(path: Path) -> click.Context:
    return click.Context(cli, obj={"kubeconfig": path, "data_dir": None})


def kubeconfig(path: Path, **of_context: Any) -> Path:
    document = json.loads(render(Config("https://127.0.0.1:6443"), "somebody"))
    document["contexts"][0]["context"] |= of_context
    path.write_text(json.dumps(document))
    return path


def manifest(**metadata: str) -> Manifest:
    body = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": "web", **metadata}}
    return Manifest("some.yaml, document 1", body)


def test_what_is_given_comes_before_the_context_and_that_before_default(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    assert namespace_of(context(path), None) == Namespace("default")
    assert namespace_of(context(kubeconfig(path)), None) == Namespace("default")
    assert namespace_of(context(kubeconfig(path, namespace="")), "") == Namespace("default")
    assert namespace_of(context(kubeconfig(path, namespace="team")), None) == Namespace("team")
    assert namespace_of(context(path), "lab") == Namespace("lab", demanded=True)


def test_a_context_whose_namespace_is_no_name_is_told(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "kubeconfig", namespace=7)
    with pytest.raises(click.ClickException, match=r"contexts\[\]\.context\.namespace is 7; it must be the name"):
        namespace_of(context(path), None)


def test_an_object_names_its_own_unless_another_is_demanded() -> None:
    assert Namespace("team").of(manifest()) == "team"
    assert Namespace("team").of(manifest(namespace="lab")) == "lab"
    assert Namespace("team", demanded=True).of(manifest()) == "team"
    assert Namespace("team", demanded=True).of(manifest(namespace="team")) == "team"
    with pytest.raises(click.ClickException) as caught:
        Namespace("team", demanded=True).of(manifest(namespace="lab"))
    assert caught.value.message == (
        "some.yaml, document 1: metadata.namespace is 'lab', and -n says 'team'; give -n lab, or leave -n away"
    )
