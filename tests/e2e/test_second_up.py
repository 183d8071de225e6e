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


def test_a_second_up_is_the_same_server(rack: Starlink) -> None:
    listen = f"0.0.0.0:{free_port()}"
    options = ("--resource", "example.com/dongle=2", "--tls-san", "star.example", "--artifact-dir", str(rack.artifacts))
    with running(rack, "--name", "rack1", "--listen", listen, "--durability", "normal", *options):
        rack.apply(TASK)
        eventually(lambda: rack.condition("task", "stays", "Ready") == "True", "the task is ready")
        before = rack.settings
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


def test_a_change_is_said_once_and_kept(rack: Starlink) -> None:
    with running(rack, "--resource", "") as said:
        assert "resources: example.com/dongle=2 → none" in said.splitlines()
    with running(rack) as said:
        assert "→" not in said and rack.settings["resources"] == []


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
    typed(rack, stay)
    try:
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
    with running(rack):
        assert rack.settings["name"] == "rack2"


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


def test_who_joined_by_the_old_address_is_named_with_what_it_needs(rack: Starlink) -> None:
    old, new = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with running(rack, "--listen", old) as said:
        assert "cut off" not in said  # rack2 is this machine's, and there is no other
        rack.add_server("far")
    with running(rack, "--listen", new) as said:
        told = next(line for line in said.splitlines() if "cut off" in line)
        assert told.startswith(f"far was joined while StarLink listened on {old}, and is cut off")
        assert f"set `server` in the agent's kubeconfig to https://{new} and start the agent again" in told
        assert "up --detach --listen 0.0.0.0:" in told and "rack2" not in told
        anew = re.findall(r"`([^`]+-o far.kubeconfig)`", told)
        typed(rack, f"cd {shlex.quote(str(rack.folder))} && {anew[0]}")
        assert load(rack.folder / "far.kubeconfig").server == f"https://{new}"
    for same in ((), ("--listen", f"0.0.0.0:{new.rpartition(':')[2]}")):
        with running(rack, *same) as said:
            assert "cut off" not in said  # who dials the old address is served
    with running(rack, "--listen", ""):
        rack.cli("delete", "server", "far")


def test_a_taken_port_is_an_error_that_names_who_has_it(rack: Starlink) -> None:
    before = rack.settings
    port = int(before["listen"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        done = rack.cli("up", "--detach", check=False)
    assert done.returncode == 1 and f"--listen {before['listen']}: the port is in use by process " in done.stderr
    assert rack.settings == before


def test_what_it_listens_on_is_put_back_by_nothing(rack: Starlink) -> None:
    with running(rack, "--listen", ""):
        assert rack.settings["listen"].startswith("127.0.0.1:")


def test_an_upgrade_goes_on_as_the_server_that_it_was(rack: Starlink) -> None:
    """A data dir that an earlier version left has no settings."""
    listen = f"0.0.0.0:{free_port()}"
    with running(rack, "--listen", listen):
        pass
    before = rack.settings
    (rack.data / "settings.json").unlink()
    with running(rack) as said:
        assert f"no options were kept here yet; server {before['name']} and where it listens are taken" in said
        assert (rack.settings["name"], rack.settings["listen"]) == (before["name"], listen)


def test_a_changed_name_of_the_certificate_keeps_the_authority(rack: Starlink) -> None:
    """Other machines trust the CA."""
    from cryptography import x509

    ca, seen = (rack.data / "pki" / "ca.crt").read_bytes(), []
    for options in (("--tls-san", "star.example"), (), ("--tls-san", "")):
        with running(rack, *options):
            found = x509.load_pem_x509_certificate((rack.data / "pki" / "apiserver.crt").read_bytes())
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            seen.append("star.example" in names.get_values_for_type(x509.DNSName))
    assert seen == [True, True, False]
    assert (rack.data / "pki" / "ca.crt").read_bytes() == ca


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
    with running(rack, "--artifact-dir", str(gone)):
        pass
    gone.rmdir()
    done = rack.cli("up", "--detach", check=False)
    assert done.returncode == 1 and f"--artifact-dir {gone}: there is no such directory" in done.stderr
    with running(rack, "--artifact-dir", "") as said:
        assert f"artifact dir: {gone} → none" in said.splitlines()
