"""A second machine joins: two network namespaces with a wire between them, and no default route."""

import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.attack.instances import PYTHON
from tests.conftest import Kubectl, Starlink, _let_pass, eventually
from tests.tools import KUBECTL

from starlink.apiserver.identity.pki import Pki
from starlink.client.config import Config, load, render

FIRST, SECOND = "10.77.31.1", "10.77.31.2"
PORT = 6443
URL = f"https://{FIRST}:{PORT}"
DIAL = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).recv(9).decode())"
SERVE = """
import os, socket
server = socket.create_server(("", int(os.environ["PORT"])))
while True:
    server.accept()[0].sendall(b"reached")
"""


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine gives no network namespaces: ip {' '.join(words)}: {done.stderr.strip()}")


class Machine:
    """A network namespace with one address, on a wire to the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.within = ("ip", "netns", "exec", name)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*self.within, *words], capture_output=True, text=True, timeout=60, check=False)

    def agent(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`starlink agent` that ends by itself."""
        return self.run(sys.executable, "-m", "starlink.cli", "agent", *words)

    @contextlib.contextmanager
    def running_agent(self, log: Path, *words: str) -> Iterator[None]:
        command = [*self.within, sys.executable, "-m", "starlink.cli", "agent", *words]
        with log.open("ab") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    """Two machines on one wire."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    names = [f"sl{os.getpid()}{letter}" for letter in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", names[0], "netns", names[0], "type", "veth", "peer", "name", names[1], "netns", names[1])
        for name, address in zip(names, (FIRST, SECOND), strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", name)
            for device in ("lo", name):
                ip("-n", name, "link", "set", device, "up")
        yield Machine(names[0]), Machine(names[1])
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@pytest.fixture(scope="module")
def first(machines: tuple[Machine, Machine], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """The StarLink of the first machine, which lets no other machine in yet."""
    folder = tmp_path_factory.mktemp("first")
    _let_pass(folder)
    found = Starlink(folder, machines[0].within)
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
    assert f"starlink up --listen 0.0.0.0:{PORT}" in done.stderr and first.get("server", "s2") == {}
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
