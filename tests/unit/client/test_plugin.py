"""What a credential plugin is asked, and what its answer means."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.client.kubeconfigs import SERVER, kubeconfig, plugin

from starlink.client.config import load
from starlink.client.errors import BadConfig
from starlink.client.plugin import Plugin, credential, surroundings, use_of

V1, BETA = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


def of(folder: Path, cluster: Any = None, **fields: Any) -> Plugin:
    found = load(kubeconfig(folder / "k", cluster=cluster, user=plugin(**{"command": "program", **fields}))).plugin
    assert found is not None
    return found


def answer(version: str = V1, kind: str = "ExecCredential", **status: Any) -> bytes:
    return json.dumps({"apiVersion": version, "kind": kind, "status": status}).encode()


def test_a_program_with_a_path_is_beside_the_kubeconfig_and_a_bare_name_is_looked_for(tmp_path: Path) -> None:
    assert of(tmp_path, command="./bin/login").command == str(tmp_path / "bin/login")
    assert of(tmp_path, command="/opt/login").command == "/opt/login"
    assert of(tmp_path, command="login").command == "login"


def test_it_is_told_of_the_cluster_only_where_the_kubeconfig_says_so(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"PEM")
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    cluster = {"certificate-authority": "ca.crt", "tls-server-name": "api", "extensions": [extension]}
    told = json.loads(of(tmp_path, cluster, provideClusterInfo=True).info(interactive=True))
    assert told == {
        "apiVersion": V1, "kind": "ExecCredential",
        "spec": {"interactive": True, "cluster": {
            "server": SERVER, "tls-server-name": "api",
            "certificate-authority-data": base64.b64encode(b"PEM").decode(), "config": {"audience": "x"},
        }},
    }  # fmt: skip
    assert json.loads(of(tmp_path, cluster).info(interactive=False))["spec"] == {"interactive": False}


def test_its_environment_is_ours_with_what_the_kubeconfig_adds(tmp_path: Path) -> None:
    asked = of(tmp_path, env=[{"name": "PROFILE", "value": "dev"}, {"name": "EMPTY", "value": ""}])
    found = surroundings(asked, {"PATH": "/bin", "PROFILE": "old"}, interactive=False)
    info = {"KUBERNETES_EXEC_INFO": asked.info(interactive=False)}
    assert found == {"PATH": "/bin", "PROFILE": "dev", "EMPTY": "", **info}


def test_an_answer_is_a_token_a_certificate_or_both_until_a_time(tmp_path: Path) -> None:
    asked = of(tmp_path)
    found = credential(asked, answer(token="t", expirationTimestamp="1970-01-01T00:01:00Z"))
    assert (found.token, found.expires) == ("t", 60.0)
    both = credential(asked, answer(token="t", clientCertificateData="c", clientKeyData="k"))
    assert (both.token, both.certificate, both.key, both.expires) == ("t", b"c", b"k", float("inf"))
    assert credential(of(tmp_path, apiVersion=BETA, interactiveMode=""), answer(BETA, token="t")).token == "t"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "no ExecCredential in JSON"), (b"SECRET", "no ExecCredential in JSON"), (b"\xff", "no ExecCredential in JSON"),
        (b'{"token": "SECRET"}', "no ExecCredential in JSON"),
        (answer(BETA, token="SECRET"), f"must print an ExecCredential of {V1}"),
        (answer(kind="Secret", token="SECRET"), f"must print an ExecCredential of {V1}"),
        (answer(), "neither status.token nor status.clientCertificateData"),
        (answer(clientCertificateData="SECRET"), "go together"), (answer(token="SECRET\r\nX: y"), "one word of ASCII"),
        (answer(token="SECRET", expirationTimestamp="soon"), "expirationTimestamp is no time"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_told_without_what_is_in_it(tmp_path: Path, said: bytes, why: str) -> None:
    with pytest.raises(BadConfig, match=f"^exec program: .*{why}") as told:
        credential(of(tmp_path), said)
    assert "SECRET" not in str(told.value)


def test_who_must_ask_a_person_needs_a_terminal() -> None:
    assert [use_of(mode, terminal=True) for mode in ("Never", "IfAvailable", "Always")] == [False, True, True]
    assert [use_of(mode, terminal=False) for mode in ("Never", "IfAvailable")] == [False, False]
    with pytest.raises(BadConfig, match="interactiveMode: Always"):
        use_of("Always", terminal=False)
