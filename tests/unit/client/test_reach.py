"""From where the way to a cluster is taken: what is given, $KUBECONFIG, and then what a pod finds."""

import os
from pathlib import Path

import pytest
from tests.unit.client.kubeconfigs import kubeconfig

from starlink.client import reach
from starlink.client.errors import BadConfig
from starlink.client.proxy import Proxy

POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """The files of a pod."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    for name, content in (("token", "of-the-pod\n"), ("ca.crt", "PEM"), ("namespace", "team\n")):
        (folder / name).write_text(content)
    return folder


def test_a_pod_is_found_only_where_nothing_else_is(tmp_path: Path, pod: Path) -> None:
    given, named = kubeconfig(tmp_path / "given", name="given"), kubeconfig(tmp_path / "named", name="named")
    environment = {**POD, "KUBECONFIG": os.pathsep.join((str(tmp_path / "gone"), str(named)))}
    assert reach.find(given, "", environment, pod).token == "token-of-given"
    assert reach.find(None, "", environment, pod).token == "token-of-named"
    found = reach.find(None, "", {**POD, "KUBECONFIG": str(tmp_path / "gone")}, pod)
    assert (found.server, found.ca, found.bearer(), found.namespace) == (
        "https://10.96.0.1:443", b"PEM", "of-the-pod", "team",
    )  # fmt: skip


def test_an_agent_is_not_whom_a_persons_environment_says(tmp_path: Path, pod: Path) -> None:
    environment = {"KUBECONFIG": str(kubeconfig(tmp_path / "named", name="named"))}
    with pytest.raises(BadConfig, match="--kubeconfig is needed"):
        reach.of_agent(None, "", environment, tmp_path / "gone")
    assert reach.of_agent(None, "", {**POD, **environment}, pod).bearer() == "of-the-pod"


def test_a_pods_way_may_lead_by_a_proxy_and_to_ipv6(pod: Path) -> None:
    way = {"HTTPS_PROXY": "http://proxy:1"}
    found = reach.find(None, "", {**POD, **way, "KUBERNETES_SERVICE_HOST": "fd00::1"}, pod)
    assert (found.server, found.host, found.proxy) == ("https://[fd00::1]:443", "fd00::1", Proxy("http://proxy:1"))
    assert found.dialled == ("proxy", 1)
    assert reach.find(None, "", {**POD, **way, "NO_PROXY": "10.0.0.0/8"}, pod).proxy is None


def test_what_is_missing_is_named(tmp_path: Path, pod: Path) -> None:
    with pytest.raises(BadConfig, match=r"no cluster: .*KUBECONFIG: .*gone is not there, and this is no pod"):
        reach.find(None, "", {"KUBECONFIG": str(tmp_path / "gone")}, pod)
    with pytest.raises(BadConfig, match="KUBECONFIG is not set"):
        reach.find(None, "", POD, tmp_path)
    with pytest.raises(BadConfig, match="--context c: a pod's own files name none"):
        reach.find(None, "c", POD, pod)
    with pytest.raises(BadConfig, match="KUBERNETES_SERVICE_PORT is 'x'"):
        reach.find(None, "", {**POD, "KUBERNETES_SERVICE_PORT": "x"}, pod)
    (pod / "ca.crt").unlink()
    with pytest.raises(BadConfig, match=r"ca\.crt: the certificate authority can't be read: No such file"):
        reach.find(None, "", POD, pod)
