"""StarLink's CRDs on a real Kubernetes: it takes them without a word, and refuses objects as StarLink's own API server does."""

import json
from pathlib import Path

import pytest
from tests.conftest import Kubectl, eventually
from tests.kube.control_plane import ControlPlane
from tests.kube.installed import CRDS
from tests.tools import KUBECTL

from starlink.manifest import load

FILES = sorted(CRDS.glob("*.yaml"))
RESOURCES = {
    "CustomResourceDefinition": "customresourcedefinition.apiextensions.k8s.io",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicy.admissionregistration.k8s.io",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybinding.admissionregistration.k8s.io",
}


@pytest.fixture(scope="module")
def kubectl(kubernetes: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(KUBECTL.path(), kubernetes.kubeconfig(), tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize("way", ["client", "server"])
def test_they_are_taken_without_a_word(kubectl: Kubectl, tmp_path: Path, way: str) -> None:
    """Under another group, for those of the right one are there for the other tests."""
    group = f"{way}.starlink.example.com"
    made = []
    for path in FILES:
        text = path.read_text().replace("starlink.dev", group)
        (tmp_path / path.name.replace("starlink.dev", group)).write_text(text)
        made.append(load(path)["kind"] + "/" + load(path)["metadata"]["name"].replace("starlink.dev", group))
    applied = kubectl("apply", f"--server-side={str(way == 'server').lower()}", "-f", str(tmp_path))
    names = [name.partition("/")[2] for name in made if name.startswith("CustomResourceDefinition/")]
    done = "serverside-applied" if way == "server" else "created"
    assert applied.stderr == ""
    assert applied.stdout.split("\n") == [
        *(f"{RESOURCES[kind]}/{name} {done}" for kind, _, name in (one.partition("/") for one in made)),
        "",
    ]

    def conditions() -> dict[str, dict[str, str]]:
        found = json.loads(kubectl("get", "crd", *names, "-o", "json").stdout)["items"]
        return {
            one["metadata"]["name"]: {c["type"]: c["status"] for c in one["status"].get("conditions") or ()}
            for one in found
        }

    eventually(lambda: all(one.get("Established") == "True" for one in conditions().values()), "all are served")
    assert set(map(tuple, map(sorted, conditions().values()))) == {("Established", "NamesAccepted")}
    kubectl("delete", "-f", str(tmp_path))
