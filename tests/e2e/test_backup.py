"""Backup while it runs, restore onto the same data dir and into another one, and what agents make of it."""

import asyncio
import base64
import os
import shutil
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Starlink, _let_pass, eventually
from tests.e2e.test_kill import SecondAgent

from starlink.api.kinds import Kind
from starlink.client.config import load
from starlink.client.errors import Gone
from starlink.client.kube import Client

TEXT = b"correct horse battery staple"
SECRET = Kind("", "v1", "Secret", "secrets", True)


@pytest.fixture(scope="module")
def starlink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """One that the tests save and restore, one after the other."""
    folder = tmp_path_factory.mktemp("backup")
    _let_pass(folder)
    found = Starlink(folder)
    try:
        found.up()
        yield found
    finally:
        found.remove()


def service(name: str, **spec: Any) -> dict[str, Any]:
    template = {"command": ["sleep", "100000"], "stop": {"gracePeriod": "1s"}}
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def secret(name: str, text: bytes) -> dict[str, Any]:
    data = {"password": base64.b64encode(text).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def password(starlink: Starlink, name: str) -> bytes:
    return base64.b64decode(starlink.get("secret", name).get("data", {}).get("password", ""))


def pids_of(starlink: Starlink, task: str) -> set[int]:
    wanted = f"STARLINK_TASK={task}".encode()
    return {pid for pid in starlink.processes() if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")}


def start(starlink: Starlink, task: str, server: str) -> set[int]:
    starlink.apply(service(task, servers=[{"name": server, "replicas": 1}]))
    eventually(partial(is_ready, starlink, task), f"{task} is ready")
    return pids_of(starlink, task)


def is_ready(starlink: Starlink, task: str) -> bool:
    return starlink.condition("task", task, "Ready") == "True"


def identity(starlink: Starlink) -> str:
    return str(starlink.get("namespace", "kube-system")["metadata"]["uid"])


def ask(kubeconfig: Path, work: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
    """One piece of work with a kubeconfig, such as one that was handed out."""

    async def run() -> Any:
        client = Client(load(kubeconfig))
        try:
            return await work(client)
        finally:
            client.close()

    return asyncio.run(run())


async def resume(client: Client, since: str) -> None:
    async for _ in client.watch(SECRET, "default", resource_version=since, seconds=5):
        return


@pytest.fixture(scope="module")
def agent(starlink: Starlink) -> Iterator[SecondAgent]:
    """A further server's, which runs on while the API goes and comes back as another cluster."""
    found = SecondAgent(starlink)
    try:
        eventually(lambda: starlink.condition("server", "s2", "Ready") == "True", "the second server is ready")
        yield found
    finally:
        found.stop()


def test_a_restore_onto_the_same_data_dir(starlink: Starlink, agent: SecondAgent) -> None:
    """Seen by the agent that starts anew with it, s1's, and by one that runs on, s2's."""
    servers, pid = ("s1", "s2"), agent.ensure()
    kept = {server: start(starlink, f"kept-{server}", server) for server in servers}
    changed, file = start(starlink, "changed", "s2"), starlink.folder / "b.tar.gz"
    starlink.apply(secret("s", TEXT))
    uid, before = starlink.get("task", "kept-s1")["metadata"]["uid"], identity(starlink)
    said = starlink.cli("backup", str(file)).stdout
    assert f"{file} holds " in said and file.stat().st_mode & 0o777 == 0o600

    later = {server: start(starlink, f"later-{server}", server) for server in servers}  # life goes on
    starlink.apply(secret("s", b"changed"), secret("t", b"new"))
    starlink.cli("delete", "task", "changed")
    eventually(lambda: not pids_of(starlink, "changed"), "the deleted task has stopped")
    told = starlink.get("secret", "t")["metadata"]["resourceVersion"]
    handed_out = starlink.folder / "kubeconfig"
    shutil.copy(starlink.kubeconfig, handed_out)

    refused = starlink.cli("restore", str(file), "--force", check=False)
    assert refused.returncode == 1 and "StarLink runs on" in refused.stderr
    starlink.cli("down")
    refused = starlink.cli("restore", str(file), check=False)
    assert refused.returncode == 1 and "is not empty; give another --data-dir, or --force" in refused.stderr
    assert "what was there before is in" in starlink.cli("restore", str(file), "--force").stdout
    assert (alive(starlink, "kept"), alive(starlink, "later")) == (kept, later)
    starlink.up()

    eventually(lambda: len(pids_of(starlink, "changed")) == 2, "what was deleted is back")
    assert not pids_of(starlink, "changed") & changed
    for task in ("kept-s1", "kept-s2"):
        eventually(partial(is_ready, starlink, task), f"{task} is ready again")
    assert starlink.get("task", "later-s1") == {} == starlink.get("task", "later-s2")
    assert starlink.get("task", "kept-s1")["metadata"]["uid"] == uid
    assert identity(starlink) != before
    assert password(starlink, "s") == TEXT and starlink.get("secret", "t") == {}
    assert int(starlink.get("secret", "s")["metadata"]["resourceVersion"]) > int(told)
    with pytest.raises(Gone):
        ask(handed_out, lambda client: resume(client, told))

    # What nobody declares goes on; what is declared is the restored cluster's.
    for server in servers:
        (orphan,) = eventually(partial(orphans, starlink, server), f"the agent of {server} owns up")
        assert orphan.startswith(f"default/later-{server}-")
    assert (agent.ensure(), alive(starlink, "kept"), alive(starlink, "later")) == (pid, kept, later)
    log = (starlink.data / "logs" / "agent.log").read_text()
    assert log.count("an instance that nobody declares goes on running") == 1
    for server in servers:
        starlink.cli("delete", "task", f"kept-{server}")
    eventually(lambda: alive(starlink, "kept") == {"s1": set(), "s2": set()}, "the deleted tasks have stopped")
    assert alive(starlink, "later") == later


def alive(starlink: Starlink, task: str) -> dict[str, set[int]]:
    """The processes of a task's two namesakes, by server."""
    return {server: pids_of(starlink, f"{task}-{server}") for server in ("s1", "s2")}


def orphans(starlink: Starlink, server: str) -> list[str]:
    found: list[str] = starlink.get("server", server).get("status", {}).get("orphans", [])
    return found


def test_a_restore_into_another_data_dir(starlink: Starlink) -> None:
    starlink.apply(secret("s", TEXT))
    starlink.apply(service("paused", replicas=0))
    file = starlink.folder / "for-another.tar.gz"
    starlink.cli("backup", str(file))
    cut = starlink.folder / "cut.tar.gz"
    cut.write_bytes(file.read_bytes()[:-100])
    (starlink.folder / "other").mkdir()
    other = Starlink(starlink.folder / "other")
    try:
        refused = other.cli("restore", str(cut), check=False)
        assert refused.returncode == 1 and "nothing was restored" in refused.stderr and not other.data.exists()
        other.cli("restore", str(file))
        other.up()
        assert password(other, "s") == TEXT == password(starlink, "s")
        assert other.get("task", "paused")["metadata"]["uid"] == starlink.get("task", "paused")["metadata"]["uid"]
        assert identity(other) != identity(starlink)
        # The same authority: a certificate of the old one opens the new one, and the other way round.
        mixed = starlink.folder / "mixed"
        mixed.write_text(starlink.kubeconfig.read_text().replace(starlink.state["url"], other.state["url"]))
        mixed.chmod(0o600)
        found = ask(mixed, lambda client: client.get(SECRET, "s", "default"))
        assert base64.b64decode(found["data"]["password"]) == TEXT
    finally:
        other.remove()


def hiding(folder: Path, text: bytes) -> list[str]:
    """The files below the folder that hold the text, plain or in base64."""
    wanted = (text, base64.b64encode(text))
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in found if any(part in path.read_bytes() for part in wanted)]


def test_a_secret_is_in_no_file(starlink: Starlink) -> None:
    starlink.apply(secret("s", TEXT), secret("gone", TEXT))
    starlink.cli("delete", "secret", "gone")
    assert password(starlink, "s") == TEXT
    assert hiding(starlink.data, TEXT) == []
    file = starlink.folder / "secret.tar.gz"
    starlink.cli("backup", str(file))
    starlink.cli("down")
    assert hiding(starlink.data, TEXT) == []
    starlink.cli("restore", "--force", str(file))
    assert hiding(starlink.data, TEXT) == []


def test_keys_are_rotated_and_what_can_not_be_used_is_refused(starlink: Starlink) -> None:
    starlink.cli("down", check=False)  # it may be already
    key = starlink.data / "store" / "encryption.key"
    old = key.read_text()
    new = base64.b64encode(os.urandom(32)).decode() + "\n"
    for content, said in (
        (new, "which is not in"),
        ("no base64!\n", "line 1 is no base64; put the line back as it was, from a backup"),
    ):
        key.write_text(content)
        refused = starlink.cli("up", "--detach", "--name", "s1", check=False)
        assert refused.returncode == 1 and said in refused.stderr, refused.stderr
    key.write_text(new + old)
    starlink.up()
    assert password(starlink, "s") == TEXT
    starlink.cli("down")
    key.write_text(new)  # the old one is not needed any more
    starlink.up()
    assert password(starlink, "s") == TEXT
    starlink.cli("down")
    with sqlite3.connect(starlink.data / "store" / "starlink.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    refused = starlink.cli("up", "--detach", "--name", "s1", check=False)
    assert refused.returncode == 1 and "was written by a newer StarLink (schema 99" in refused.stderr
