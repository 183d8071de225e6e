"""docs/connecting.md: its kubeconfig is read, its commands change one as it says, its roles are what is needed."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT
from tests.tools import KUBECTL

from starlink.api import schema
from starlink.api.labels import LEADER_LABEL, SERVER_NAMESPACE
from starlink.client.config import load
from starlink.client.proxy import Proxy
from starlink.client.rights import Right
from starlink_operator import rights
from starlink_operator.leadership import DEFAULT

PAGE = (ROOT / "docs" / "connecting.md").read_text()
KUBECONFIG, ROLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^    (kubectl config .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """That of the page, with the files that it names."""
    (tmp_path / "ca.crt").write_text("PEM")
    (tmp_path / "robot.token").write_text("of-the-robot\n")
    file = tmp_path / "config"
    file.write_text(KUBECONFIG)
    return file


def test_the_kubeconfig_is_read_as_the_page_says(kubeconfig: Path) -> None:
    lab, far = load(kubeconfig, environment={}), load(kubeconfig, context="far", environment={})
    assert (lab.server, lab.server_name, lab.ca, lab.namespace) == (
        "https://10.0.0.5:6443",
        "kubernetes",
        b"PEM",
        "team",
    )
    assert lab.plugin is not None and (lab.plugin.command, lab.plugin.mode) == ("my-login", "IfAvailable")
    assert (far.bearer(), far.proxy) == ("of-the-robot", Proxy("http://proxy.example.com:3128"))


def test_the_commands_write_what_is_read(kubeconfig: Path) -> None:
    """From nothing: each cluster has its URL, and a context of its own."""
    assert len(COMMANDS) == 7
    kubeconfig.unlink()
    for command in COMMANDS:
        words = [KUBECTL.path(), f"--kubeconfig={kubeconfig}", *shlex.split(command)[1:]]
        subprocess.run(words, check=True, capture_output=True, timeout=60, cwd=kubeconfig.parent)
    lab, far = load(kubeconfig, environment={}), load(kubeconfig, context="far", environment={})
    assert (lab.server, lab.server_name, lab.ca) == ("https://10.0.0.5:6443", "kubernetes", b"PEM")
    assert lab.namespace == "team" and lab.plugin is not None and lab.plugin.command == "my-login"
    assert (far.server, far.ca, far.bearer()) == ("https://api.example.com/clusters/far", b"PEM", "TOKEN")
    assert far.proxy == Proxy("http://proxy.example.com:3128")


def test_the_namespace_of_a_lease_elsewhere_is_labelled_as_the_operator_looks_for_it() -> None:
    assert re.findall(r"^    kubectl label namespace \S+ (.*)$", PAGE, re.MULTILINE) == [f"{LEADER_LABEL}=true"]


def test_the_roles_give_what_the_operator_needs_and_no_more() -> None:
    given = {
        Right(verb, group, resource, role["metadata"].get("namespace", ""))
        for role in yaml.safe_load_all(ROLES)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given == set(rights.needed(SERVER_NAMESPACE, DEFAULT))


def test_the_defaults_are_those_of_the_code() -> None:
    assert (
        f"`{SERVER_NAMESPACE}`: where" in PAGE
        and f"| `{DEFAULT.name}` |" in PAGE
        and f"`{DEFAULT.namespace}`: where" in PAGE
    )
    assert f"Kubernetes {'.'.join(map(str, schema.OLDEST))} or newer" in PAGE
