"""kill -9 at random, while tasks are applied, scaled, changed and deleted: what runs in the end is what is declared.

Five kills, or as many as STARLINK_KILLS says; STARLINK_SEED repeats a run.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import warm
from tests.conftest import Starlink, _let_pass, eventually

KILLS = int(os.environ.get("STARLINK_KILLS", "5"))
SEED = int(os.environ.get("STARLINK_SEED", str(time.time_ns() % 100_000)))
SETTLE = 120.0

# Each instance holds a lock of its slot: an instance that finds it held writes down that there were two.
GUARD = """
import fcntl, os, sys, time
os.umask(0)  # a task has another user on each server
slot = os.environ["STARLINK_TASK"] + "-" + os.environ["STARLINK_SLOT"]
held = os.open(f"{sys.argv[1]}/{slot}", os.O_CREAT | os.O_RDWR, 0o666)
try:
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    open(f"{sys.argv[1]}/twice-{slot}-{os.getpid()}", "w").close()
    sys.exit(1)
time.sleep(100000)
"""


class SecondAgent:
    """An agent beside the launcher's own, kept running by the test."""

    def __init__(self, starlink: Starlink) -> None:
        self._starlink = starlink
        self._kubeconfig = starlink.folder / "s2.kubeconfig"
        self._kubeconfig.write_text(starlink.add_server("s2"))
        self._kubeconfig.chmod(0o600)
        self._process: warm.Running | None = None
        self.ensure()

    def ensure(self) -> int:
        if self._process is None or self._process.poll() is not None:
            log = (self._starlink.folder / "s2.log").open("ab")
            self._process = warm.popen(
                [
                    sys.executable, "-m", "starlink_nodeagent", "--kubeconfig", str(self._kubeconfig), "--name", "s2",
                    "--data-dir", str(self._starlink.folder / "s2"), "--address", "127.0.0.1",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
            log.close()
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[tuple[Starlink, SecondAgent]]:
    _let_pass(tmp_path)
    starlink = Starlink(tmp_path)
    second = None
    try:
        starlink.up()
        second = SecondAgent(starlink)
        eventually(lambda: len(starlink.items("servers")) == 2, "two servers")
        yield starlink, second
    finally:
        if second is not None:
            second.stop()
        starlink.remove()


def service(name: str, replicas: int, locks: Path, version: int = 0) -> dict[str, Any]:
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "template": {
                "command": [sys.executable if os.geteuid() else "python3", "-c", GUARD, str(locks)],
                "env": [{"name": "VERSION", "value": str(version)}],
                "stop": {"gracePeriod": "2s"},
                "restart": {"backoff": {"initial": "100ms", "max": "1s"}},
            },
        },
    }


@pytest.mark.timeout(1500)
def test_kills(fleet: tuple[Starlink, SecondAgent]) -> None:
    starlink, second = fleet
    rng = random.Random(SEED)
    print(f"STARLINK_SEED={SEED}")
    locks = starlink.folder / "locks"
    locks.mkdir()
    locks.chmod(0o777)
    declared: dict[str, tuple[int, int]] = {}
    killed: Counter[str] = Counter()
    for number in range(KILLS):
        for _ in range(2):
            change(starlink, rng, declared, locks)
        killed[kill_one(starlink, second, rng, number)] += 1
        change(starlink, rng, declared, locks)
        second.ensure()
    print(f"killed {dict(killed)}, declared {declared}")
    settled(starlink, second, declared)
    assert [path.name for path in locks.iterdir() if path.name.startswith("twice")] == []
    for name in declared:
        delete(starlink, name)
    settled(starlink, second, {})


def change(starlink: Starlink, rng: random.Random, declared: dict[str, tuple[int, int]], locks: Path) -> None:
    """One change; one that the API could not take is made again, as a person would."""
    name = f"t{rng.randrange(3)}"
    if name in declared and rng.random() < 0.2:
        delete(starlink, name)
        del declared[name]
        return
    replicas, version = declared.get(name, (0, 0))
    if rng.random() < 0.7:
        replicas = rng.randint(0, 5)
    else:
        version += 1
    declared[name] = (replicas, version)
    manifest = json.dumps(service(name, replicas, locks, version))
    eventually(
        lambda: starlink.cli("apply", "-f", "-", stdin=manifest, check=False).returncode == 0, f"apply of {name}"
    )


def delete(starlink: Starlink, name: str) -> None:
    eventually(
        lambda: starlink.cli("delete", "task", name, "--no-wait", check=False).returncode == 0, f"deletion of {name}"
    )


def kill_one(starlink: Starlink, second: SecondAgent, rng: random.Random, number: int) -> str:
    """Kills one process; each kind is hit in turn, the victim is random."""
    kinds = ["apiserver", "operator", "agent", "supervisor", "second agent", "instance"]
    kind = kinds[number % len(kinds)] if number < len(kinds) else rng.choice(kinds)
    time.sleep(rng.random() * 0.5)  # a random moment, not a wait for anything
    if kind == "second agent":
        pid: int | None = second.ensure()
    elif kind in ("supervisor", "instance"):
        found = sorted(pid for pid in starlink.processes() if is_supervisor(pid) is (kind == "supervisor"))
        pid = rng.choice(found) if found else None
    else:
        pid = starlink.state["children"][kind]
    with contextlib.suppress(ProcessLookupError):
        if pid:
            os.kill(pid, signal.SIGKILL)
    return kind


def is_supervisor(pid: int) -> bool:
    try:
        return b"starlink-run" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def is_starlinks(pid: int) -> bool:
    """Whether a process is a living part of StarLink."""
    try:
        return b"-m\0starlink" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def settled(starlink: Starlink, second: SecondAgent, declared: dict[str, tuple[int, int]]) -> None:
    """Exactly what is declared runs: one instance a slot, of the version wanted, each with its supervisor."""
    wanted = Counter({name: replicas for name, (replicas, _) in declared.items() if replicas})

    def difference() -> str:
        second.ensure()
        running = Counter(task_of(pid) for pid in starlink.processes() if not is_supervisor(pid))
        supervised = Counter(task_of(pid) for pid in starlink.processes() if is_supervisor(pid))
        objects = Counter(a["metadata"]["labels"]["starlink.dev/task"] for a in starlink.items("assignments"))
        stale = [
            pid
            for pid in starlink.processes()
            if version_of(pid) not in ("", str(declared.get(task_of(pid), (0, 0))[1]))
        ]
        found = {"processes": running, "supervisors": supervised, "assignments": objects}
        wrong = {what: dict(count) for what, count in found.items() if count != wanted}
        return f"{wrong} stale {stale}" if wrong or stale else ""

    last = [""]

    def same() -> bool:
        last[0] = difference()
        return not last[0]

    end = time.monotonic() + SETTLE
    while not same():
        if time.monotonic() > end:
            tasks = [t["status"].get("conditions", [])[:1] for t in starlink.items("tasks")]
            pytest.fail(f"wanted {dict(wanted)}; wrong: {last[0]}; seed {SEED}; tasks {tasks}")
        time.sleep(0.5)


def environment(pid: int) -> dict[bytes, bytes]:
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    return dict(part.split(b"=", 1) for part in content.split(b"\0") if b"=" in part)


def task_of(pid: int) -> str:
    return environment(pid).get(b"STARLINK_TASK", b"").decode()


def version_of(pid: int) -> str:
    return environment(pid).get(b"VERSION", b"").decode()


def test_the_launcher_killed(tmp_path: Path) -> None:
    """kill -9 of `starlink up` itself: the next `up` goes on with the same processes."""
    _let_pass(tmp_path)
    starlink = Starlink(tmp_path)
    locks = tmp_path / "locks"
    locks.mkdir()
    locks.chmod(0o777)
    try:
        starlink.up()
        starlink.apply(service("kept", 2, locks))
        eventually(lambda: starlink.condition("task", "kept", "Ready") == "True", "the task is ready")
        before = starlink.processes()
        parts = starlink.state["children"]
        os.kill(starlink.state["pid"], signal.SIGKILL)
        eventually(lambda: not any(is_starlinks(pid) for pid in parts.values()), "no part of it is left")
        eventually(lambda: starlink.cli("up", "--detach", "--name", "s1", check=False).returncode == 0, "up again")
        eventually(lambda: starlink.condition("task", "kept", "Ready") == "True", "the task is ready again")
        assert starlink.processes() == before
    finally:
        starlink.remove()
