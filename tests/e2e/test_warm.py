"""What tests start by a fork is as what `python -m` starts, seen from outside."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import warm
from tests.conftest import Starlink, _let_pass, eventually

TOLD = (
    "Uid", "Gid", "Groups", "Umask", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
    "NoNewPrivs", "Seccomp",
)  # fmt: skip
COMMAND = [sys.executable, "-m", "starlink_nodeagent", "--name", "s1"]


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    yield from _up(tmp_path_factory.mktemp("forked"))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(warm, "forked", lambda *_, **__: None)
        found = _up(tmp_path_factory.mktemp("started"))
        made = next(found)
    yield made
    next(found, None)


def _up(folder: Path) -> Iterator[Starlink]:
    _let_pass(folder)
    found = Starlink(folder)
    try:
        found.up()
        yield found
    finally:
        found.remove()


def _pids(starlink: Starlink) -> dict[str, int]:
    return {"up": starlink.state["pid"], **starlink.state["children"]}


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _looks(starlink: Starlink) -> dict[str, Any]:
    """Of each part, what a test or a person may ask of it."""
    pids = _pids(starlink)
    names = {pid: name for name, pid in pids.items()}
    looks = {}
    for name, pid in pids.items():
        proc = Path(f"/proc/{pid}")
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        command = (proc / "cmdline").read_text().rstrip("\0").split("\0")
        looks[name] = {
            "command": [word.replace(str(starlink.folder), "").partition(":")[0] for word in command],
            "status": {one: status[one] for one in TOLD},
            "limits": (proc / "limits").read_text(),
            "leads a session": os.getsid(pid) == pid and os.getpgid(pid) == pid,
            "child of": names.get(_parent(pid), "another"),
            "streams": [os.readlink(proc / "fd" / f"{n}").replace(str(starlink.folder), "") for n in range(3)],
            "places": [os.readlink(proc / one) for one in ("cwd", "exe", "root")],
            "comm": (proc / "comm").read_text(),
            "nice": os.getpriority(os.PRIO_PROCESS, pid),
            "group": (proc / "cgroup").read_text(),
        }
    return looks


def test_the_parts_of_a_forked_starlink_look_as_those_of_a_started_one(forked: Starlink, started: Starlink) -> None:
    assert _parent(_pids(started)["up"]) == os.getpid() != _parent(_pids(forked)["up"]), "this is a start, that a fork"
    assert _looks(forked) == _looks(started)
    assert {name: look["child of"] for name, look in _looks(forked).items() if name != "up"} == {
        "apiserver": "up", "operator": "up", "agent": "up"
    }  # fmt: skip


def _held(pid: int) -> set[str]:
    """The sockets and pipes of a process, but for its streams."""
    held = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            held |= {os.readlink(one)} if int(one.name) > 2 else set()
    return {one for one in held if one.startswith(("socket:", "pipe:"))}


def test_a_fork_holds_nothing_of_what_it_comes_from(forked: Starlink) -> None:
    pids = _pids(forked)
    before = _held(_parent(pids["up"]))
    assert before, "the zygote has a door"
    held = {name: _held(pid) for name, pid in pids.items()}
    assert [name for name, one in held.items() if one & before] == []
    assert [name for name, one in held.items() if name != "up" and one & held["up"]] == []


def test_an_agent_that_is_killed_is_started_anew(forked: Starlink) -> None:
    before = _pids(forked)
    os.kill(before["agent"], signal.SIGKILL)
    eventually(lambda: _pids(forked)["agent"] not in (None, before["agent"]), "another agent")
    assert f"agent ended with {-signal.SIGKILL}" in (forked.data / "logs" / "up.log").read_text()


def test_the_parts_end_with_the_process_that_started_them(forked: Starlink) -> None:
    pids = _pids(forked)
    os.kill(pids.pop("up"), signal.SIGKILL)
    eventually(lambda: not [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()], "the parts gone")


def test_one_that_is_misused_says_and_gives_the_same(tmp_path: Path) -> None:
    said = {}
    for name, popen in (("forked", warm.forked), ("started", subprocess.Popen)):
        with (tmp_path / name).open("wb") as log:
            process = popen(COMMAND, stdout=log, stderr=log)  # --data-dir is missing
            assert process is not None
            said[name] = process.wait(60), (tmp_path / name).read_text()
            assert process.poll() == process.returncode == 2
    assert said["forked"] == said["started"] and "--data-dir" in said["forked"][1]


def test_it_has_the_environment_and_the_folder_that_are_given(tmp_path: Path) -> None:
    process = warm.forked(
        [sys.executable, "-m", "starlink.cli", "get", "tasks"], cwd=tmp_path, stderr=(log := (tmp_path / "log").open("wb")),
        env={**os.environ, "KUBECONFIG": "not-there"},
    )  # fmt: skip
    assert process is not None and process.wait(60) == 1
    log.close()
    assert "not-there" in (tmp_path / "log").read_text()


def test_there_is_none_where_only_a_start_brings_a_change_to_bear(tmp_path: Path) -> None:
    assert warm.forked(["sleep", "0"]) is None
    assert warm.forked([sys.executable, "-m", "json.tool"]) is None
    assert warm.forked(COMMAND, preexec_fn=os.getpid) is None
    for name in ("LD_PRELOAD", "PYTHONPATH", "TZ"):
        assert warm.forked(COMMAND, env={**os.environ, name: str(tmp_path)}) is None
    before = os.umask(0o077)
    try:
        assert warm.forked(COMMAND) is None
    finally:
        os.umask(before)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    try:
        assert warm.forked(COMMAND) is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
