"""A second machine joins: two network namespaces with a wire between them, and no default route."""

import datetime
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.attack.instances import PYTHON
from tests.conftest import Kubectl, Starlink, _let_pass, eventually
from tests.machines import FIRST, SECOND, Machine, two_machines
from tests.tools import KUBECTL

from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.config import Config, load, render

PORT = 6443
URL = f"https://{FIRST}:{PORT}"
DIAL = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).recv(9).decode())"
SERVE = """
import os, socket
server = socket.create_server(("", int(os.environ["PORT"])))
while True:
    server.accept()[0].sendall(b"reached")
"""


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    with two_machines() as found:
        yield found


@pytest.fixture(scope="module")
def first(machines: tuple[Machine, Machine], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """The StarLink of the first machine, which lets no other machine in yet."""
    folder = tmp_path_factory.mktemp("first")
    _let_pass(folder)
    found = Starlink(folder, machines[0])
    try:
        found.up("s1", "--listen", f"127.0.0.1:{PORT}")
        yield found
    finally:
        found.remove()


@pytest.fixture(scope="module")
def open_first(first: Starlink) -> Starlink:
    """The same once others are let in."""
    done = first.cli("server", "add", "s2", check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert f"up --detach --listen 0.0.0.0:{PORT}" in done.stderr and first.get("server", "s2") == {}
    first.cli("down")
    first.cli("up", "--detach", "--listen", f"0.0.0.0:{PORT}", "--tls-san", "star.example", "--tls-san", "203.0.113.9")
    return first


def kubeconfig(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def address_of(starlink: Starlink, server: str) -> str:
    status = starlink.get("server", server).get("status", {})
    return next((a["address"] for a in status.get("addresses", ()) if a["type"] == "InternalIP"), "")


def test_a_second_machine_joins_and_is_reached(machines: tuple[Machine, Machine], open_first: Starlink) -> None:
    file, data, log = (open_first.folder / name for name in ("s2.kubeconfig", "s2", "s2.log"))
    done = open_first.cli("server", "add", "s2", "--server", URL, "-o", str(file))
    assert done.stdout == "" and file.stat().st_mode & 0o777 == 0o600
    assert kubeconfig(file)["clusters"][0]["cluster"]["server"] == URL
    with machines[1].running_agent(log, "--kubeconfig", str(file), "--data-dir", str(data)):
        eventually(lambda: open_first.condition("server", "s2", "Ready") == "True", "s2 is ready")
        assert (address_of(open_first, "s1"), address_of(open_first, "s2")) == (FIRST, SECOND)
        servers = [{"name": name, "replicas": 1} for name in ("s1", "s2")]
        template = {"command": [PYTHON, "-c", SERVE], "ports": [{"name": "http"}]}
        open_first.apply({
            "apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": "reach"},
            "spec": {"servers": servers, "template": template},
        })  # fmt: skip
        eventually(lambda: open_first.condition("task", "reach", "Ready") == "True", "both run")
        for assignment in open_first.items("assignments"):
            (endpoint,) = assignment["status"]["endpoints"]
            other = machines[1] if assignment["spec"]["server"] == "s1" else machines[0]
            told = other.run(sys.executable, "-c", DIAL, endpoint["address"], str(endpoint["port"]))
            assert told.stdout == "reached\n", told.stderr
    # As the last time, but for an address of one's own.
    with machines[1].running_agent(log, "--data-dir", str(data), "--address", "s2.example"):
        eventually(lambda: address_of(open_first, "s2") == "s2.example", "the address is that which was given")
        eventually(lambda: "s2.example" in endpoints(open_first), "its instances are told anew")
        open_first.cli("delete", "task", "reach")
    assert "address: the one from which the API is dialled → s2.example" in log.read_text()


def endpoints(starlink: Starlink) -> list[str]:
    statuses = [assignment.get("status", {}) for assignment in starlink.items("assignments")]
    return [endpoint["address"] for status in statuses for endpoint in status.get("endpoints", ())]


def test_the_kubeconfig_has_an_address_that_others_reach(
    machines: tuple[Machine, Machine], open_first: Starlink
) -> None:
    file = open_first.folder / "s3.kubeconfig"
    done = open_first.cli("server", "add", "s3", "-o", str(file))
    assert kubeconfig(file)["clusters"][0]["cluster"]["server"] == f"https://star.example:{PORT}"
    assert f"--server: {URL}" in done.stderr  # not the address that it does not listen on
    for url, option in ((f"https://10.9.9.9:{PORT}", "--tls-san 10.9.9.9"), ("10.9.9.9", "write https://HOST:PORT")):
        refused = open_first.cli("server", "add", "s4", "--server", url, check=False)
        assert refused.returncode == 1 and option in refused.stderr and open_first.get("server", "s4") == {}
    refused = open_first.cli("server", "add", "s4", "-o", "/not/there/s4", check=False)
    assert refused.returncode == 2 and "/not/there is no directory" in refused.stderr
    assert open_first.get("server", "s4") == {}
    for url in (f"https://203.0.113.9:{PORT}", f"https://127.0.0.1:{PORT}"):
        assert f'"server": "{url}"' in open_first.cli("server", "add", "s3", "--server", url).stdout


def test_an_agent_takes_its_name_from_the_token(machines: tuple[Machine, Machine], open_first: Starlink) -> None:
    file, data = open_first.folder / "s5.kubeconfig", open_first.folder / "s5"
    open_first.cli("server", "add", "s5", "--server", URL, "-o", str(file))
    done = machines[1].agent("--kubeconfig", str(file), "--name", "s6", "--data-dir", str(data))
    assert done.returncode == 1 and "--name s6: this kubeconfig is of server s5" in done.stderr
    assert not data.exists()


def test_what_cannot_succeed_is_given_up(machines: tuple[Machine, Machine], open_first: Starlink) -> None:
    file, data = open_first.folder / "s7.kubeconfig", open_first.folder / "s7"
    open_first.cli("server", "add", "s7", "--server", URL, "-o", str(file))
    words = ("--kubeconfig", str(file), "--data-dir", str(data))
    of_another = machines[1].run(sys.executable, "-m", "starlink_nodeagent", "--name", "s1", *words)
    assert of_another.returncode == 4 and "this agent may not be server s1" in of_another.stderr
    unknown = machines[1].agent("--kubeconfig", str(of_a_stranger(file)), "--data-dir", str(data))
    assert unknown.returncode == 4 and "the kubeconfig is of another StarLink" in unknown.stderr
    ip, *rest = machines[0].within
    admin = Kubectl(ip, open_first.kubeconfig, open_first.folder)
    admin(*rest, KUBECTL.path(), "delete", "serviceaccount", "s7", "-n", "starlink-servers")
    revoked = machines[1].agent(*words)
    assert revoked.returncode == 4 and "the API server knows this agent no more" in revoked.stderr
    assert "starlink server add s7" in revoked.stderr


def of_a_stranger(file: Path) -> Path:
    """The kubeconfig with the authority of another StarLink."""
    stranger = Pki(file.with_suffix(".pki"), datetime.datetime.now(datetime.UTC))
    stranger.client("anybody")
    found = file.with_suffix(".stranger")
    found.write_text(render(Config(URL, stranger.ca.read_bytes(), token=load(file).token), "anybody"))
    return found
