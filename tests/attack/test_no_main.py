"""Processes that /proc calls dead, or does not show: what can't be read is not gone. A process whose main thread has
ended is a zombie by its own files, and lives on in its other threads."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.attack.instances import NUMBERS, PYTHON, Bench, bench, needs_root
from tests.conftest import soon

from starlink.backoff import Pauses
from starlink.cli import instances as of_cli
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.journal.record import decode, encode
from starlink_nodeagent.processes import procfs
from starlink_nodeagent.processes.processes import Marker, Processes
from starlink_nodeagent.stop_all import park_all
from starlink_nodeagent.users import clearing

NO_MAIN = Path(__file__).with_name("no_main.py")
FOREVER = "exec sleep 100000"
HOWS = [("deaf",), ("deaf", "apart"), ("deaf", "bare"), ("deaf", "apart", "bare"), ("deaf", "hop")]
Start = Callable[..., "subprocess.Popen[bytes]"]


def is_headless(pid: int) -> bool:
    """By the kernel's word alone: its first thread is over, and it is there still."""
    status = _text(f"/proc/{pid}/status")
    return "State:\tZ" in status and int(status.split("\nThreads:", 1)[1].split()[0]) > 1


def headless_of(uid: int) -> list[int]:
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if f"\nUid:\t{uid}\t" in _text(f"/proc/{pid}/status") and is_headless(pid)]


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


@pytest.fixture
def headless(tmp_path: Path) -> Iterator[Start]:
    """Starts a process, as root, and gives it once its main thread has ended; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*how: str, **env: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen([sys.executable, NO_MAIN, *how], env=env)
        started.append(process)
        while not is_headless(process.pid):
            assert process.poll() is None
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("how", ["", "hop"])
def test_a_process_lives_as_long_as_one_of_its_threads(headless: Start, how: str) -> None:
    process = headless(how, STARLINK_RUN="a/1", HOME="/nowhere/work")
    pid = process.pid
    for _ in range(200):
        assert procfs.user_of(pid) == os.getuid()
    assert procfs.look_at(pid) == procfs.Seen(os.getuid(), lives=True)
    if not how:
        assert procfs.run_of(pid) == "a/1" and procfs.environment_of(pid)["HOME"] == "/nowhere/work"
        assert procfs.arguments_of(pid)[1] == os.fsencode(NO_MAIN)
        assert [one.pid for one in of_cli.below(Path("/nowhere"))] == [pid]
    process.kill()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert procfs.user_of(pid) is None, "all threads are over"
    assert procfs.look_at(pid) == procfs.Seen(os.getuid(), lives=False)
    process.wait()
    assert procfs.look_at(pid) is None


def test_an_agent_that_can_open_no_file_sees_nobody_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", refuse)
    for look in (procfs.look_at, procfs.user_of, procfs.run_of, procfs.started, procfs.arguments_of):
        with pytest.raises(OSError, match=r"\[Errno 24\]"):
            look(os.getpid())


async def headless_one(site: Bench, task: str, *how: str, grace: str = "1s") -> Instance:
    """An instance that has such a process."""
    script = f"exec {PYTHON} - {' '.join(how)} <<'END'\n{NO_MAIN.read_text()}\nEND\n"
    if "bare" in how:
        script = f"{PYTHON} {_copy_of_script(site)} {' '.join(how)} & {FOREVER}"
    instance = await site.run(task, script, stop={"gracePeriod": grace})
    await soon(lambda: headless_of(site.uid(instance)), "its main thread has ended")
    return instance


def _copy_of_script(site: Bench) -> Path:
    copy = site.folder / NO_MAIN.name
    copy.write_text(NO_MAIN.read_text())
    copy.chmod(0o644)
    return copy


@needs_root
@pytest.mark.parametrize("how", HOWS, ids=" ".join)
async def test_it_does_not_outlive_its_instance(tmp_path: Path, how: tuple[str, ...]) -> None:
    async with bench(tmp_path) as site:
        instance = await headless_one(site, "headless", *how)
        await site.end(instance)
        assert headless_of(site.uid(instance)) == [] and list(procfs.living(site.uid(instance))) == []


@needs_root
@pytest.mark.parametrize("how", HOWS, ids=" ".join)
async def test_it_ends_when_all_is_stopped(tmp_path: Path, how: tuple[str, ...]) -> None:
    async with bench(tmp_path) as site:
        instance = await headless_one(site, "headless", *how)
        instance.leave()
        await instance.over()
        await site.host.journal.save(instance.record)
        await park_all(tmp_path)
        assert headless_of(site.uid(instance)) == []


@needs_root
async def test_no_two_of_one_slot_run(tmp_path: Path) -> None:
    """It ends its supervisor: nothing of that run is left when the next one starts."""
    async with bench(tmp_path) as site:
        script = f"test -e again && {FOREVER}; touch again; exec {PYTHON} - fatal <<'END'\n{NO_MAIN.read_text()}\nEND\n"
        instance = await site.run("double", script)
        await soon(lambda: instance.record.run == 2 and instance.record.phase == "Running", "it was started again")
        assert headless_of(site.uid(instance)) == []
        assert len(await site.host.processes.members(site.marker(instance), None)) == 2


@needs_root
async def test_the_next_agent_goes_on_with_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        instance = await headless_one(site, "headless", "deaf")
        (pid,) = headless_of(site.uid(instance))
        instance.leave()
        await instance.over()
        os.kill(next(p for p in await site.host.processes.members(site.marker(instance), None) if p != pid), 9)
        again = site.begin(decode(encode(instance.record), instance.record.uid))
        await soon(lambda: again.record.run == 2, "the next run has begun")
        assert pid not in headless_of(site.uid(again))


@needs_root
async def test_a_user_is_cleared_of_what_proc_does_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever may hide processes there: the kernel's own list counts."""
    monkeypatch.setattr(clearing, "_PAUSES", Pauses(0.001, 0.016))
    uid = NUMBERS.first + 7
    hidden = subprocess.Popen(["/bin/sleep", "100000"], user=uid, group=uid, extra_groups=[], start_new_session=True)
    try:
        async with bench(tmp_path) as site:
            monkeypatch.setattr(clearing, "all_pids", list)
            monkeypatch.setattr(clearing, "living", lambda _user: iter(()))
            assert clearing.runs(uid)
            with pytest.raises(NotYet, match="hidden from the agent"):
                await site.host.clearing.clear(uid)
            assert hidden.wait(10) == -signal.SIGKILL
            await site.host.clearing.clear(uid)
    finally:
        hidden.kill()
        hidden.wait()


@needs_root
async def test_a_zombie_that_nobody_waits_for_holds_up_nothing(tmp_path: Path) -> None:
    uid = NUMBERS.first + 8
    dead = subprocess.Popen(["/bin/true"], user=uid, group=uid, extra_groups=[])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    async with bench(tmp_path) as site:
        assert clearing.knows(uid) and not clearing.runs(uid)
        await site.host.clearing.clear(uid)
        assert (await Processes().snapshot(uid)).members(Marker("x/1", uid), dead.pid) == []
    assert dead.wait() == 0
