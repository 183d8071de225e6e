"""A task against its own log: real instances as root, each Task with a user of its own."""

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from tests.attack.instances import PYTHON, as_task, bench, needs_root
from tests.conftest import soon

from starlink_nodeagent.logs import files as logs
from starlink_nodeagent.processes.procfs import living
from starlink_nodeagent.users.user import TaskUser

pytestmark = needs_root
FOREVER = "exec sleep 100000"


async def test_a_task_may_open_its_output_by_path_and_reach_nothing_else_of_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        script = (
            "echo one; echo two >> /dev/stderr; echo three >> /dev/stdout; "
            "ls ../logs; ls /proc/self/fd/1/; ls $(dirname $(readlink /proc/self/fd/2)); echo four"
        )
        instance = site.begin(site.record("open", command=["sh", "-c", script], restart={"policy": "Never"}))
        await instance.over()
        folder = site.work(instance).parent / "logs"
        said = (folder / "current.log").read_text()
        lines = said.splitlines()
        assert lines[:3] == ["one", "two", "three"] and lines[-1] == "four" and len(lines) == 7, said
        about = (folder / "current.log").stat()
        assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (site.uid(instance), 0o600)
        assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (0, 0o700)
        neighbour = as_task(site.uid(instance) + 1, "cat", str(folder / "current.log"))
        assert "Permission denied" in neighbour.stderr


async def test_what_the_supervisor_says_of_an_end_is_not_in_the_log(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        instance = await site.run("quiet", f"echo mine; echo error >&2; {FOREVER}")
        log = site.work(instance).parent / "logs" / "current.log"
        await soon(lambda: log.read_text() == "mine\nerror\n", "it has said what it says")
        await site.end(instance)
        assert instance.record.signal == "SIGTERM" and log.read_text() == "mine\nerror\n"
        failing = site.begin(site.record("failing", command=["sh", "-c", "exec /"], restart={"policy": "Never"}))
        await failing.over()
        assert "/" in (site.work(failing).parent / "logs" / "current.log").read_text(), "but what its own shell says is"


OWNER = """
import ctypes, fcntl, os, sys
own = os.open("/proc/self/fd/1", os.O_RDWR)
{act}
open("done", "w").close()
"""


ACTS = {
    "sparse": "os.pwrite(own, b'the end', 1 << 40)",
    "end of the range": "os.pwrite(own, b'x', (1 << 63) - 4097)",
    "shut": "os.fchmod(own, 0)",
    "set-uid": "os.fchmod(own, 0o6777)",
    "locked": "fcntl.flock(own, fcntl.LOCK_EX); fcntl.lockf(own, fcntl.LOCK_EX)",
    "linked": "os.link('/proc/self/fd/1', 'log', follow_symlinks=True)",
}


@pytest.mark.parametrize("act", ACTS)
async def test_what_a_task_does_to_its_log_harms_neither_its_rotation_nor_its_next_run(
    tmp_path: Path, act: str
) -> None:
    """It goes on holding what it did, from a session of its own."""
    limits = {"maxSize": "10Ki", "maxFiles": 3}
    async with bench(tmp_path) as site:
        source = OWNER.format(act=f"try: {ACTS[act]}\nexcept OSError: pass")
        (tmp_path / "owner.py").write_text(source)
        (tmp_path / "owner.py").chmod(0o644)
        script = f"{PYTHON} {tmp_path}/owner.py; i=0; while test $i -lt 400; do i=$((i+1)); echo $i-----------------------------; done; touch full; {FOREVER}"
        instance = await site.run("owner", script, logs=limits)
        await soon((site.work(instance) / "full").exists, "the log is full")
        assert (site.work(instance) / "done").exists()
        folder = site.work(instance).parent / "logs"
        assert logs.rotate(folder, 10 * 1024, 3)
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
        assert sizes.pop("current.log") == 0 and sizes.keys() == {"1.log"} and sizes["1.log"] <= 10240 * 5 / 4
        again = sum(1 for _ in living(site.uid(instance)))
        for pid in [*living(site.uid(instance))]:
            os.kill(pid, signal.SIGKILL)
        await soon(lambda: instance.record.run == 2 and instance.record.phase == "Running", "it runs again")
        assert again and not instance.record.finished
        await site.end(instance)


LEASER = """
import fcntl, os, signal
log = os.open("/proc/self/fd/1", os.O_RDONLY)
null = os.open("/dev/null", os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)
os.kill(os.getppid(), signal.SIGKILL)
os.setsid()
while True:
    try:
        fcntl.fcntl(log, 1024, {kind})  # F_SETLEASE
        break
    except BlockingIOError:
        pass
open("leased", "w").close()
signal.signal(signal.SIGIO, signal.SIG_IGN)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("kind", ["fcntl.F_RDLCK", "fcntl.F_WRLCK"])
async def test_a_lease_on_a_log_holds_up_nobody(tmp_path: Path, kind: str) -> None:
    """The supervisor is killed first, which has the file open; then opening it would wait for 45 s."""
    async with bench(tmp_path) as site:
        instance = await site.run("lease", FOREVER)
        uid, work = site.uid(instance), site.work(instance)
        folder = work.parent / "logs"
        instance.leave()
        await instance.over()
        log = os.open(folder / "current.log", os.O_WRONLY | os.O_APPEND)
        for pid in [*living(uid)]:
            os.kill(pid, signal.SIGKILL)
        source = LEASER.format(kind=kind).replace("os.kill(os.getppid(), signal.SIGKILL)", "")
        holder = subprocess.Popen(
            [PYTHON, "-c", source], user=uid, group=uid, extra_groups=[], env={}, cwd=work, stdout=log, stderr=log
        )
        os.close(log)
        try:
            await soon((work / "leased").exists, "it has the lease")
            with pytest.raises(BlockingIOError):
                os.close(os.open(folder / "current.log", os.O_RDWR | os.O_NONBLOCK))
            assert logs.rotate(folder, 0, 3) is False
            os.close(logs.open_for(TaskUser(str(uid), uid, uid, alone=True), folder))
            (folder / "current.log").write_text("a new one, which nobody holds")
            assert logs.rotate(folder, 5, 3) is True and holder.poll() is None
        finally:
            holder.kill()
            holder.wait()
