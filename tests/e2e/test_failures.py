"""What can't run says why, in a word and in a sentence, and the agent goes on."""

import hashlib
import json
import re
import socket
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT, Starlink, eventually, standing

from starlink.artifacts.pack import pack

SHA = "0" * 64


def task(name: str, template: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def artifact(url: str, sha256: str = SHA) -> dict[str, Any]:
    return {"artifact": {"url": url, "sha256": sha256}}


@pytest.fixture(scope="module")
def starlink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """One that fetches from loopback, where the tests' server is."""
    with standing(tmp_path_factory.mktemp("starlink"), "--allow-local-artifacts") as found:
        yield found


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """A server that has nothing."""

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def failure(starlink: Starlink, name: str) -> tuple[str, str]:
    """The reason and message of the task's failed assignment."""

    def failed() -> dict[str, Any] | None:
        found = starlink.items("assignments", "-l", f"starlink.dev/task={name}")
        return next((a["status"] for a in found if a.get("status", {}).get("phase") == "Failed"), None)

    status = eventually(failed, f"a failed assignment of {name}")
    return status["reason"], status["message"]


def stalled(starlink: Starlink, name: str) -> bool:
    return starlink.condition("task", name, "Stalled") == "True"


def zipped(path: Path, entries: dict[str, str]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_failures_say_why(starlink: Starlink, web: str) -> None:
    escaping = zipped(starlink.artifacts / "escape.zip", {"../outside": "x"})
    no_start = zipped(starlink.artifacts / "empty.zip", {"readme": "x"})
    zipped(starlink.artifacts / "other.zip", {"start.sh": "x"})
    (starlink.artifacts / "broken.zip").write_bytes(b"PK\x03\x04 this is no archive")
    broken = hashlib.sha256((starlink.artifacts / "broken.zip").read_bytes()).hexdigest()
    cases = {
        "missing": (artifact("file:nothing.zip"), "ArtifactNotFound", "nothing.zip"),
        "outside": (artifact("file:../../etc/passwd"), "ArtifactUnsafePath", "leaves the artifact directory"),
        "http404": (artifact(f"{web}/x.zip"), "ArtifactNotFound", "404"),
        "checksum": (artifact("file:other.zip"), "ArtifactChecksumMismatch", SHA),
        "corrupt": (artifact("file:broken.zip", broken), "ArtifactCorrupt", "broken.zip"),
        "escapes": (artifact("file:escape.zip", escaping), "ArtifactUnsafePath", "../outside"),
        "nostart": (artifact("file:empty.zip", no_start), "CommandNotFound", "start.sh"),
        "nocommand": ({"command": ["no-such-program"]}, "CommandNotFound", "no-such-program"),
        "nodir": ({"command": ["true"], "workingDir": "nowhere"}, "WorkingDirNotFound", "nowhere"),
        "noport": (
            {"command": ["sleep", "9"], "probes": {"readiness": {"tcpSocket": {"port": "web"}}}}, "ProbePortMissing", "web",
        ),
    }  # fmt: skip
    starlink.apply(*(task(name, template) for name, (template, _, _) in cases.items()))
    for name, (_, reason, part) in cases.items():
        found, message = failure(starlink, name)
        assert (found, part in message) == (reason, True), f"{name}: {found}: {message}"
        eventually(partial(stalled, starlink, name), f"{name} is stalled")
    ready = task("well", {"command": ["sleep", "1000"]})
    starlink.apply(ready)
    eventually(lambda: starlink.condition("task", "well", "Ready") == "True", "the agent goes on")
    starlink.cli("delete", "task", *cases, "well")
    eventually(lambda: not starlink.processes(), "nothing runs any more")


def test_a_port_in_use(starlink: Starlink) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        starlink.apply(task("port", {"command": ["sleep", "9"], "ports": [{"name": "http", "port": port}]}))
        reason, message = failure(starlink, "port")
    assert (reason, str(port) in message) == ("PortInUse", True)
    starlink.cli("delete", "task", "port")


def test_a_corrected_template_starts_at_once(starlink: Starlink) -> None:
    starlink.apply(task("typo", {"command": ["slep", "1000"]}))
    failure(starlink, "typo")
    starlink.apply(task("typo", {"command": ["sleep", "1000"]}))
    eventually(lambda: starlink.condition("task", "typo", "Ready") == "True", "the corrected task is ready", 9)
    starlink.cli("delete", "task", "typo")


def test_stubborn_and_escaping_processes_are_stopped(starlink: Starlink) -> None:
    script = "trap '' TERM; setsid sleep 5000 & sleep 5000 & while :; do sleep 1; done"
    template = {"command": ["bash", "-c", script], "stop": {"gracePeriod": "500ms"}}
    starlink.apply(task("stubborn", template))
    eventually(lambda: len(starlink.processes()) >= 4, "the process and its children run")
    starlink.cli("delete", "task", "stubborn")
    eventually(lambda: not starlink.processes(), "nothing runs any more")


def test_a_batch_retries_and_fails(starlink: Starlink) -> None:
    starlink.apply(task("bad", {"command": ["sh", "-c", "exit 3"]}, type="Batch", retries=1))
    eventually(lambda: starlink.condition("task", "bad", "Failed") == "True", "the batch failed")
    status = starlink.get("task", "bad")["status"]
    condition = next(c for c in status["conditions"] if c["type"] == "Failed")
    assert condition["reason"] == "RetriesExceeded" and "exit code 3" in condition["message"]
    starlink.cli("delete", "task", "bad")


def test_a_batch_completes_each_slot_once(starlink: Starlink, tmp_path_factory: pytest.TempPathFactory) -> None:
    spec = {"type": "Batch", "completions": 5, "parallelism": 2}
    starlink.apply(task("five", {"command": ["sh", "-c", "echo slot $STARLINK_SLOT"]}, **spec))
    eventually(lambda: starlink.condition("task", "five", "Complete") == "True", "the batch is complete")
    status = starlink.get("task", "five")["status"]
    assert (status["completedSlots"], status["succeeded"], status["phase"]) == ("0-4", 5, "Complete")
    lines = starlink.cli("logs", "five").stdout.splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == [f"slot {n}" for n in range(5)]
    starlink.cli("delete", "task", "five")


def test_plan_writes_nothing_and_says_why(starlink: Starlink) -> None:
    fits = json.dumps(task("fits", {"command": ["true"]}, replicas=2))
    done = starlink.cli("plan", "-f", "-", stdin=fits)
    assert "2 to create" in done.stdout and re.search(r"0-1 +create +s1", done.stdout)
    template = {"command": ["true"], "resources": {"requests": {"cpu": 999}}}
    done = starlink.cli("plan", "-f", "-", stdin=json.dumps(task("huge", template)), check=False)
    assert done.returncode == 2
    assert "Cpu 1" in done.stdout and "asks 999" in done.stdout and "nearest: s1" in done.stdout
    assert starlink.items("tasks") == []


def test_an_unplaceable_task_says_why(starlink: Starlink) -> None:
    starlink.apply(task("picky", {"command": ["true"]}, placement={"architectures": ["riscv64"], "pool": "none"}))
    eventually(lambda: starlink.condition("task", "picky", "Scheduled") == "False", "it can't be placed")
    conditions = {c["type"]: c for c in starlink.get("task", "picky")["status"]["conditions"]}
    assert conditions["Scheduled"]["reason"] == "Unplaceable"
    assert "pool 'none' does not exist" in conditions["Ready"]["message"]
    events = starlink.cli("get", "events").stdout
    assert "Unplaceable" in events
    starlink.cli("delete", "task", "picky")


def test_examples_pack_reproducibly(starlink: Starlink) -> None:
    for name in ("web", "wordcount"):
        declared = yaml.safe_load((ROOT / "examples" / name / "task.yaml").read_text())
        digest = pack(ROOT / "examples" / name / "app", starlink.artifacts / f"{name}.zip")
        assert declared["spec"]["template"]["artifact"]["sha256"] == digest
