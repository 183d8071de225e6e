"""Forty hostile tasks beside an honest one, on one server with a small disk: the honest one stays ready, the server's
heartbeat goes on, nothing of others is reached, and all of them can be deleted without a trace.
"""

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from tests.attack.evil import ATTACKS
from tests.conftest import Kubectl, Starlink, _let_pass, eventually
from tests.tools import KUBECTL

EVIL = Path(__file__).with_name("evil.py")
PYTHON = "/usr/bin/python3"
AT_ONCE = 11
NEIGHBOUR = "neighbour"
SERVE = "echo mine > secret; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 $PORT"
MOST_AGENT_MEMORY_KB = 150_000

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path(PYTHON).exists(), reason=f"tasks have users of their own only as root; needs {PYTHON}"
)


@pytest.fixture(scope="module")
def starlink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """One whose agent has a small file system of its own."""
    folder = tmp_path_factory.mktemp("evil")
    _let_pass(folder)
    found = Starlink(folder)
    agent = found.data / "agent"
    found.data.mkdir()
    found.data.chmod(0o711)  # one that is there keeps its mode
    agent.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=192m,mode=0711", "tmpfs", agent],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"a file system can't be mounted here: {mounted.stderr.strip()}")
    try:
        found.up()
        yield found
    finally:
        found.remove()
        subprocess.run(["umount", "--lazy", agent], check=True)


class Witness:
    """Follows objects by `kubectl get --watch` and keeps what was not well."""

    def __init__(self, kubectl: Kubectl, unwell: str, *words: str) -> None:
        self.found: list[str] = []
        self.seen = 0
        self._unwell = unwell
        self._first = Event()
        self._watch = kubectl.popen("get", *words, "--watch", "-o", "json")
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._first.wait(30)

    def _read(self) -> None:
        assert self._watch.stdout is not None
        decoder, text = json.JSONDecoder(), ""
        for line in self._watch.stdout:
            text += line
            with contextlib.suppress(ValueError):
                seen, _ = decoder.raw_decode(text)
                text = ""
                self._note(seen)

    def _note(self, seen: dict[str, Any]) -> None:
        self.seen += 1
        self._first.set()
        conditions = seen.get("status", {}).get("conditions", [])
        ready = next((c for c in conditions if c["type"] == "Ready"), None)
        if ready is not None and ready["status"] != "True":
            self.found.append(f"{seen['metadata']['name']}: {self._unwell}: {ready}")

    def end(self) -> None:
        self._watch.terminate()
        self._watch.wait()


def task(name: str, command: list[str], env: dict[str, str], **template: Any) -> dict[str, Any]:
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name.replace("_", "-"), "labels": {"evil": "yes"}},
        "spec": {
            "template": {
                "command": command,
                "env": [{"name": key, "value": value} for key, value in env.items()],
                "stop": {"gracePeriod": "1s"},
                **template,
            },
        },
    }


def probed(path: str | None = None) -> dict[str, Any]:
    probe = {"httpGet": {"port": "web", "path": "/"}} if path is None else {"tcpSocket": {"port": "web"}}
    return {"ports": [{"name": "web"}], "probes": {"readiness": {**probe, "period": "1s"}}}


def agent_of(starlink: Starlink) -> int:
    return int(starlink.state["children"]["agent"])


def output_of(starlink: Starlink, items: list[dict[str, Any]]) -> str:
    """The last megabyte of each log that instances have written so far."""
    folders = [starlink.data / "agent/instances" / item["metadata"]["uid"] / "logs" for item in items]
    logs = (path for folder in folders for path in sorted(folder.glob("*.log")))
    return "".join(map(_tail, logs))


def _tail(path: Path) -> str:
    with path.open("rb") as log:  # which may be sparse and a terabyte long
        log.seek(max(0, log.seek(0, os.SEEK_END) - (1 << 20)))
        return log.read(1 << 20).decode(errors="replace")


def test_forty_evil_tasks(starlink: Starlink, tmp_path: Path) -> None:
    kubectl = Kubectl(KUBECTL.path(), starlink.kubeconfig, tmp_path)
    starlink.apply(task(NEIGHBOUR, ["sh", "-c", SERVE], {}, **probed("tcp")) | {"metadata": {"name": NEIGHBOUR}})
    eventually(lambda: starlink.condition("task", NEIGHBOUR, "Ready") == "True", "the neighbour is ready")
    honest = starlink.items("assignments", "-l", f"starlink.dev/task={NEIGHBOUR}")[0]
    agent = agent_of(starlink)
    witnesses = [
        Witness(kubectl, "the neighbour", "assignment", honest["metadata"]["name"]),
        Witness(kubectl, "the server", "server", "s1"),
    ]
    env = {"EVIL_NEIGHBOURS": honest["metadata"]["uid"], "EVIL_API": starlink.state["url"].removeprefix("https://")}
    names = sorted(ATTACKS)
    leaks: dict[str, list[str]] = {}
    users: set[int] = set()
    try:
        for start in range(0, len(names), AT_ONCE):
            leaks |= _round(starlink, names[start : start + AT_ONCE], env, users)
    finally:
        for witness in witnesses:
            witness.end()
    assert not leaks, "\n".join(f"{name}: {line}" for name, lines in leaks.items() for line in lines[:5])
    assert [found for witness in witnesses for found in witness.found] == []
    assert all(witness.seen for witness in witnesses)
    (after,) = starlink.items("assignments")
    assert after["metadata"]["uid"] == honest["metadata"]["uid"]
    assert (after["status"]["restarts"], after["status"]["ready"]) == (0, True)
    assert agent_of(starlink) == agent, "the agent never ended"
    status = dict(line.split(":", 1) for line in Path(f"/proc/{agent}/status").read_text().splitlines())
    assert int(status["VmHWM"].split()[0]) < MOST_AGENT_MEMORY_KB
    hostile = users - _users_of_tasks(starlink)
    assert len(hostile) == len(names), "each had a user of its own"
    eventually(lambda: not _processes_of(hostile), "no process of a deleted task is left")
    instances = starlink.data / "agent/instances"
    eventually(lambda: os.listdir(instances) == [honest["metadata"]["uid"]], "no directory of a deleted task is left")


def _round(starlink: Starlink, names: list[str], env: dict[str, str], users: set[int]) -> dict[str, list[str]]:
    """Runs some attacks at once, each a task, and deletes them; gives what they got at, and adds their users."""
    source = EVIL.read_text()
    starlink.apply(*(
        task(name, [PYTHON, "-c", source, name], env, **(probed() if name.endswith("probe") else {})) for name in names
    ))  # fmt: skip
    said = _all_tried(starlink, names, users)
    leaks = {name: found for name, text in said.items() if (found := re.findall("^LEAK.*$", text, re.MULTILINE))}
    starlink.cli("delete", "task", *(name.replace("_", "-") for name in names))
    eventually(lambda: len(starlink.items("assignments")) == 1, f"{', '.join(names)} are gone")
    return leaks


def _all_tried(starlink: Starlink, names: list[str], users: set[int]) -> dict[str, str]:
    """What the attacks have printed, once all have done their worst: said so, or ended by it. Adds their users, at each
    look, for one that ended may be on its way to its next attempt at the last."""
    said: dict[str, str] = {}

    def left() -> list[str]:
        users.update(_users_of_tasks(starlink))
        items = starlink.items("assignments")
        for name in names:
            own = [item for item in items if item["metadata"]["labels"]["starlink.dev/task"] == name.replace("_", "-")]
            text = output_of(starlink, own)
            ended = any(item.get("status", {}).get("restarts") or "exitCode" in item.get("status", {}) for item in own)
            if f"tried {name}" in text or ended:
                said[name] = text
        return [name for name in names if name not in said]

    try:
        eventually(lambda: not left(), f"{', '.join(names)} have been tried")
    except pytest.fail.Exception:
        print("left:", left())
        print("instances:", {item["metadata"]["name"]: item.get("status") for item in starlink.items("assignments")})
        print("agent:", (starlink.data / "logs/agent.log").read_text()[-4_000:])
        raise
    return said


def _users_of_tasks(starlink: Starlink) -> set[int]:
    """Whom the instances that are there now run as: the owners of their directories."""
    return {path.stat().st_uid for path in (starlink.data / "agent/instances").glob("*/work")}


def _processes_of(users: set[int]) -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _user(int(name)) in users]


def _user(pid: int) -> int:
    """The real user of a process, one of whose threads lives at least; -1 when there is none."""
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            status = (thread / "status").read_text()
            if "\nState:\tZ" not in status:
                return int(status.split("\nUid:", 1)[1].split()[0])
    return -1
