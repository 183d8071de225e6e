"""A second `up` is the same server, and listens where the first one did."""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from tests.conftest import Starlink, _let_pass, eventually
from tests.tools import KUBECTL

from starlink.client.config import load

TASK = {
    "apiVersion": "starlink.dev/v1alpha1",
    "kind": "Task",
    "metadata": {"name": "stays"},
    "spec": {"template": {"command": ["sleep", "100000"]}},
}


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """A StarLink of which the tests stop and start `up`."""
    folder = tmp_path_factory.mktemp("a rack")
    _let_pass(folder)
    found = Starlink(folder)
    try:
        yield found
    finally:
        found.remove()


@contextlib.contextmanager
def running(rack: Starlink, *options: str) -> Iterator[str]:
    """A StarLink that is up; gives what `up` said."""
    done = rack.cli("up", "--detach", *options)
    try:
        yield done.stdout + done.stderr
    finally:
        rack.cli("down")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def certified(rack: Starlink) -> list[str]:
    """The DNS names that its certificate is for."""
    found = x509.load_pem_x509_certificate((rack.data / "pki" / "apiserver.crt").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def authority(rack: Starlink) -> bytes:
    """Which other machines trust."""
    return (rack.data / "pki" / "ca.crt").read_bytes()


def test_a_second_up_is_the_same_server(rack: Starlink) -> None:
    listen = f"0.0.0.0:{free_port()}"
    options = ("--resource", "example.com/dongle=2", "--tls-san", "star.example", "--artifact-dir", str(rack.artifacts))
    with running(rack, "--name", "rack1", "--listen", listen, "--durability", "normal", *options):
        rack.apply(TASK)
        eventually(lambda: rack.condition("task", "stays", "Ready") == "True", "the task is ready")
        before, trusted = rack.settings, authority(rack)
        assert "star.example" in certified(rack)
    processes = rack.processes()
    with running(rack) as said:
        assert "→" not in said
        assert rack.settings == before and before["listen"] == listen and before["name"] == "rack1"
        eventually(lambda: rack.condition("server", "rack1", "Ready") == "True", "the server is ready")
        assert [server["metadata"]["name"] for server in rack.items("servers")] == ["rack1"]
        assert rack.get("server", "rack1")["status"]["capacity"]["example.com/dongle"] == "2"
        assert processes and rack.processes() == processes
        (assignment,) = rack.items("assignments")
        assert assignment["spec"]["server"] == "rack1" and not assignment["status"].get("restarts")
        assert "star.example" in certified(rack) and authority(rack) == trusted


@pytest.fixture(scope="module")
def old() -> str:
    """Where StarLink listens while a further server joins."""
    return f"127.0.0.1:{free_port()}"


def test_a_change_is_said_and_keeps_the_authority(rack: Starlink, old: str) -> None:
    trusted = authority(rack)
    with running(rack, "--resource", "", "--tls-san", "", "--listen", old) as said:
        assert "resources: example.com/dongle=2 → none" in said.splitlines()
        assert "cut off" not in said  # rack1 is this machine's, and there is no other
        assert "star.example" not in certified(rack) and authority(rack) == trusted
        rack.add_server("far")


def test_who_joined_by_the_old_address_is_named_with_what_it_needs(rack: Starlink, old: str) -> None:
    new = f"127.0.0.1:{free_port()}"
    with running(rack, "--listen", new) as said:
        told = next(line for line in said.splitlines() if "cut off" in line)
        assert told.startswith(f"far was joined while StarLink listened on {old}, and is cut off")
        assert f"set `server` in the agent's kubeconfig to https://{new} and start the agent again" in told
        assert "up --detach --listen 0.0.0.0:" in told and "rack1" not in told
        anew = re.findall(r"`([^`]+-o far.kubeconfig)`", told)
        typed(rack, f"cd {shlex.quote(str(rack.folder))} && {anew[0]}")
        assert load(rack.folder / "far.kubeconfig").server == f"https://{new}"


def test_another_name_is_refused_while_instances_live(rack: Starlink) -> None:
    before = rack.settings
    done = rack.cli("up", "--detach", "--name", "rack2", check=False)
    assert (
        done.returncode == 1 and "this server is rack1, and 1 of its instances is here (default/stays-" in done.stderr
    )
    for part in (
        "nobody would look after it",
        "goes on under the old name",
        "annotate server rack1 starlink.dev/gone=true",
    ):
        assert part in done.stderr
    assert rack.settings == before and rack.processes()


def test_another_name_is_refused_while_the_api_says_that_they_live(rack: Starlink) -> None:
    """Also when the agent's journal is gone."""
    before = rack.settings
    instances = rack.data / "agent" / "instances"
    instances.rename(rack.folder / "aside")
    try:
        done = rack.cli("up", "--detach", "--name", "rack2", check=False)
    finally:
        (rack.folder / "aside").rename(instances)
    assert done.returncode == 1 and "this server is rack1, and 1 of its instances is here" in done.stderr
    assert rack.settings == before


def test_it_is_renamed_by_the_commands_of_the_refusal(rack: Starlink) -> None:
    """As they are printed, while KUBECONFIG names another cluster."""
    refusal = rack.cli("up", "--detach", "--name", "rack2", check=False).stderr
    stay, give_up, look, stop, start, forget = re.findall(r"`([^`]+)`", refusal)
    said = typed(rack, stay)
    try:
        assert "→" not in said and rack.settings["resources"] == []  # a change is said once, and kept
        assert "cut off" not in said  # who dials the old address is served
        typed(rack, give_up)
        eventually(lambda: "rack1" not in typed(rack, look), "nothing is on rack1 any more")
        instances = rack.data / "agent" / "instances"
        eventually(lambda: not [*instances.iterdir()], "its agent has forgotten it")
        typed(rack, stop)
        assert "name: rack1 → rack2" in typed(rack, start).splitlines()
        eventually(lambda: rack.condition("task", "stays", "Ready") == "True", "the task is ready")
        (assignment,) = rack.items("assignments")
        assert assignment["spec"]["server"] == "rack2"
        assert "server rack1 deleted" in typed(rack, forget)
    finally:
        rack.cli("down")


def typed(rack: Starlink, command: str) -> str:
    """What a command prints in a shell where `starlink` and `kubectl` are found."""
    folder = rack.folder / "bin"
    folder.mkdir(exist_ok=True)
    for name, target in (("starlink", Path(sys.executable).parent / "starlink"), ("kubectl", Path(KUBECTL.path()))):
        if not (folder / name).exists():
            (folder / name).symlink_to(target)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "KUBECONFIG": "/nowhere"}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=90, env=env, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout + done.stderr


def test_a_new_name_is_kept_and_who_joined_by_a_port_of_it_is_served(rack: Starlink) -> None:
    port = rack.settings["listen"].rpartition(":")[2]
    with running(rack, "--listen", f"0.0.0.0:{port}") as said:
        assert rack.settings["name"] == "rack2"
        assert "cut off" not in said
        rack.cli("delete", "server", "far")


def test_an_upgrade_goes_on_as_the_server_that_it_was(rack: Starlink) -> None:
    """A data dir that an earlier version left has no settings."""
    before = rack.settings
    assert before["listen"].startswith("0.0.0.0:")
    (rack.data / "settings.json").unlink()
    with running(rack) as said:
        assert f"no options were kept here yet; server {before['name']} and where it listens are taken" in said
        assert (rack.settings["name"], rack.settings["listen"]) == (before["name"], before["listen"])


def test_a_taken_port_is_an_error_that_names_who_has_it(rack: Starlink) -> None:
    before = rack.settings
    port = int(before["listen"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        done = rack.cli("up", "--detach", check=False)
    assert done.returncode == 1 and f"--listen {before['listen']}: the port is in use by process " in done.stderr
    assert rack.settings == before


# What can't be


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--task-user", "nobody-at-all"), "--task-user nobody-at-all"),
        (("--artifact-dir", "/not/there"), "--artifact-dir /not/there: there is no such directory"),
        (("--listen", "192.0.2.99:6443"), "this machine does not have the address 192.0.2.99"),
        (("--tls-san", "a b"), "'a b' is no DNS name"),
        (("--address", "a b"), "'a b' is no IP address"),
    ],
)
def test_what_cannot_be_fails_and_is_not_kept(rack: Starlink, options: tuple[str, ...], told: str) -> None:
    before = rack.settings
    done = rack.cli("up", "--detach", *options, check=False)
    assert done.returncode != 0 and told in done.stderr
    assert rack.settings == before


def test_an_artifact_dir_that_has_gone_fails_too(rack: Starlink, tmp_path: Path) -> None:
    gone = tmp_path / "artifacts"
    gone.mkdir()
    with running(rack, "--artifact-dir", str(gone), "--listen", ""):
        assert rack.settings["listen"].startswith("127.0.0.1:")  # as if it had never been given
    gone.rmdir()
    done = rack.cli("up", "--detach", check=False)
    assert done.returncode == 1 and f"--artifact-dir {gone}: there is no such directory" in done.stderr
    with running(rack, "--artifact-dir", "") as said:
        assert f"artifact dir: {gone} → none" in said.splitlines()
