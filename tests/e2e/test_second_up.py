"""A second `up` is the same server, and listens where the first one did."""

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Starlink, _let_pass, eventually

TASK = {
    "apiVersion": "starlink.dev/v1alpha1",
    "kind": "Task",
    "metadata": {"name": "stays"},
    "spec": {"template": {"command": ["sleep", "100000"]}},
}


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """A StarLink of which the tests stop and start `up`."""
    folder = tmp_path_factory.mktemp("rack")
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
        done.returncode == 1 and "this server is rack1, and 1 of its instances are here (default/stays-" in done.stderr
    )
    for part in (
        "nobody would look after them",
        "Leave --name out",
        "kubectl annotate server rack1 starlink.dev/gone=true",
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
    assert done.returncode == 1 and "this server is rack1, and 1 of its instances are here" in done.stderr
    assert rack.settings == before


def test_it_is_renamed_as_the_refusal_says(rack: Starlink) -> None:
    with running(rack):
        rack.cli("apply", "-f", "-", stdin=json.dumps({
            "apiVersion": "starlink.dev/v1alpha1", "kind": "Server",
            "metadata": {"name": "rack1", "annotations": {"starlink.dev/gone": "true"}},
        }))  # fmt: skip
        eventually(lambda: not rack.items("assignments") and not rack.processes(), "nothing is on rack1 any more")
    with running(rack, "--name", "rack2") as said:
        assert "name: rack1 → rack2" in said.splitlines()
        eventually(lambda: rack.condition("task", "stays", "Ready") == "True", "the task is ready")
        (assignment,) = rack.items("assignments")
        assert assignment["spec"]["server"] == "rack2"
    with running(rack):
        assert rack.settings["name"] == "rack2"


def test_a_taken_port_is_an_error_that_names_who_has_it(rack: Starlink) -> None:
    before = rack.settings
    port = int(before["listen"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        done = rack.cli("up", "--detach", check=False)
    assert done.returncode == 1 and f"--listen 0.0.0.0:{port}: the port is in use by process " in done.stderr
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
