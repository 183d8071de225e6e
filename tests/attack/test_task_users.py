"""A task against the agent and its neighbours: real agents' instances as root, each Task with a user of its own."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from tests.attack.instances import NUMBERS, PYTHON, bench, needs_root
from tests.conftest import soon

from starlink.api.template import Template
from starlink.files import tree
from starlink_nodeagent import instance as instances
from starlink_nodeagent import logs, procfs, supervisor, survivors
from starlink_nodeagent.clearing import Clearing
from starlink_nodeagent.command import command_of, directory_of
from starlink_nodeagent.failure import Failure
from starlink_nodeagent.processes import Marker
from starlink_nodeagent.procfs import living, user_of
from starlink_nodeagent.rights import of
from starlink_nodeagent.uids import Range
from starlink_nodeagent.user import TaskUser

pytestmark = needs_root
FOREVER = "exec sleep 100000"


def as_task(uid: int, *command: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """What a process of a task's user gets to see."""
    return subprocess.run(
        command, user=uid, group=uid, extra_groups=[], env=env or {"PATH": os.environ["PATH"]}, cwd="/",
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


async def test_each_task_has_a_user_that_its_instances_share(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        one, again, other = [
            await site.run("one", FOREVER),
            await site.run("one", FOREVER, 1),
            await site.run("other", FOREVER),
        ]
        assert site.uid(one) == site.uid(again) != site.uid(other)
        assert {site.uid(one), site.uid(other)} <= set(range(NUMBERS.first + 1, NUMBERS.last + 1))
        for instance in (one, other):
            members = await site.host.processes.members(site.marker(instance), None)
            assert len(members) == 2 and {user_of(pid) for pid in members} == {site.uid(instance)}
            about = site.work(instance).stat()
            assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (site.uid(instance), 0o700)


ATTACK = """
import ctypes, json, os, signal, sys
victim, work = int(sys.argv[1]), sys.argv[2]
def tried(call, *arguments):
    try:
        return repr(call(*arguments))
    except OSError as error:
        return error.strerror
libc = ctypes.CDLL(None, use_errno=True)
def attached():
    if libc.ptrace(16, victim, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
print(json.dumps({
    "signal": tried(os.kill, victim, signal.SIGTERM),
    "ptrace": tried(attached),
    "environ": tried(open, f"/proc/{victim}/environ"),
    "memory": tried(open, f"/proc/{victim}/mem"),
    "root": tried(os.listdir, f"/proc/{victim}/root"),
    "files": tried(os.listdir, work),
    "exit": tried(open, os.path.join(work, "../runs/1/exit")),
    "log": tried(open, os.path.join(work, "../logs/current.log")),
    "record": tried(open, os.path.join(work, "../record.json")),
    "list": tried(os.listdir, os.path.dirname(work)),
}))
"""


async def test_a_neighbours_process_environment_memory_and_files_are_out_of_reach(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        victim = await site.run("victim", FOREVER, env=[{"name": "SECRET", "value": "s"}])
        attacker = await site.run("attacker", FOREVER)
        pids = await site.host.processes.members(site.marker(victim), None)
        for pid in pids:
            done = as_task(site.uid(attacker), PYTHON, "-c", ATTACK, str(pid), str(site.work(victim)))
            refusals = json.loads(done.stdout)
            assert set(refusals.values()) <= {"Permission denied", "Operation not permitted"}, refusals
        assert await site.host.processes.members(site.marker(victim), None) == pids


async def test_how_a_run_ended_is_not_the_tasks_to_write(tmp_path: Path) -> None:
    """Neither in its run's directory, nor by a descriptor that it inherits."""
    async with bench(tmp_path) as site:
        script = (
            "ls /proc/self/fd > fds; for f in ../runs/1/exit ../runs/1/x ../runs/x ../x; do echo 0 > $f; done 2>/dev/null; "
            'rm -rf ../runs/1 2>/dev/null; for fd in 0 3 4 5 6 7 8 9; do eval "echo 0 >&$fd"; done 2>/dev/null; '
            "mv ../runs ../gone 2>/dev/null; exit 41"
        )
        instance = site.begin(site.record("liar", command=["sh", "-c", script], restart={"policy": "Never"}))
        await instance.over()
        assert (instance.record.phase, instance.record.exit_code) == ("Exited", 41)
        directory = site.work(instance).parent
        left = {path.name for path in directory.iterdir() if not path.name.startswith(".record")}
        assert left == {"record.json", "runs", "work", "logs"}
        assert (site.work(instance) / "fds").read_text().split() == ["0", "1", "2", "3"], "3 is ls's own"
        status = (directory / "runs" / "1" / "exit").stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o600)


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


@pytest.mark.parametrize(
    "lie", ["fifo", "link to a device", "20 digits", "300", "minus", "a folder", "superscript", "a link", "cut short"]
)
async def test_an_exit_file_within_reach_may_hold_anything(tmp_path: Path, lie: str) -> None:
    """As without root, or where an earlier agent left it to the task."""
    path = tmp_path / "exit"
    match lie:
        case "fifo":
            os.mkfifo(path)
        case "link to a device":
            path.symlink_to("/dev/zero")
        case "20 digits":
            path.write_text("1" * 20 + "\n")
        case "300":
            path.write_text("300\n")
        case "minus":
            path.write_text("-1\n")
        case "a folder":
            path.mkdir()
        case "superscript":
            path.write_text("²\n")
        case "a link":
            (tmp_path / "other").write_text("0\n")
            path.symlink_to(tmp_path / "other")
        case _:
            path.write_text("12")
    told = supervisor.exit_of(tmp_path)
    assert (told.code, told.cause) == (None, supervisor.SUPERVISOR_LOST)


async def test_an_exit_file_of_the_earlier_layout_is_read(tmp_path: Path) -> None:
    (tmp_path / "exit").write_text("7\n")
    assert supervisor.exit_of(tmp_path).code == 7


FORMER_SCRIPT = """\
trap : HUP INT QUIT TERM USR1 USR2
echo $$ > pid
work=$1; shift
(cd "$work" && exec "$@")
echo $? > exit
"""


async def test_an_instance_of_an_agent_with_one_user_for_all_goes_on_as_it_was(tmp_path: Path) -> None:
    """It is adopted, its exit code is read where the former supervisor wrote it, and it is started again as before."""
    async with bench(tmp_path) as site:
        record = site.record("former", command=["sh", "-c", "sleep 1; exit 9"], restart={"policy": "Never"})
        record.prepared, record.run, record.phase = True, 1, "Running"
        await site.host.journal.save(record)
        directory = site.host.journal.directory(record.uid)
        for part in ("work", "runs/1"):
            (directory / part).mkdir(parents=True)
            os.chown(directory / part, 65534, 65534)
        child = subprocess.Popen(
            ["/bin/sh", "-c", FORMER_SCRIPT, "starlink-run", "../../work/", "sh", "-c", "sleep 1; exit 9"],
            cwd=directory / "runs" / "1", env={"PATH": os.environ["PATH"], "STARLINK_RUN": f"{record.uid}/1"},
            user=65534, group=65534, extra_groups=[], start_new_session=True,
        )  # fmt: skip
        (loaded,) = site.host.journal.load().records
        assert loaded.user is not None and loaded.user.uid == 65534
        instance = site.begin(loaded)
        await instance.over()
        assert (loaded.phase, loaded.exit_code, loaded.user.alone) == ("Exited", 9, False)
        assert child.wait(10) == 0


async def test_a_forged_marker_makes_no_member(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        victim = await site.run("victim", FOREVER)
        forger = await site.run("forger", FOREVER)
        marker = site.marker(victim)
        forged = subprocess.Popen(
            ["/bin/sh", "-c", "sleep 100000; :", "starlink-run", "x"], user=site.uid(forger), group=site.uid(forger),
            extra_groups=[], env={"STARLINK_RUN": marker.run, "PATH": os.environ["PATH"]}, start_new_session=True,
        )  # fmt: skip
        try:
            members = await site.host.processes.members(marker, None)
            assert forged.pid not in members and len(members) == 2
            directory = site.work(victim).parent
            found = await survivors.find(victim.record.uid, victim.record.user, directory, site.host.processes)
            assert found.run is not None and found.run.pid in members and len(found.markers) == 1
            await site.end(victim)
            assert forged.poll() is None, "and it is not ended in the run's place"
            found = await survivors.find(victim.record.uid, victim.record.user, directory, site.host.processes)
            assert (found.run, found.markers) == (None, ())
        finally:
            forged.kill()
            forged.wait()


async def test_a_run_that_looks_like_a_second_supervisor_is_not_adopted_in_its_place(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        double = "exec setsid /bin/sh -c 'sleep 100000; :' starlink-run x"
        instance = await site.run("double", f"({double}) & {FOREVER}")
        marker = site.marker(instance)
        directory = site.work(instance).parent

        async def there() -> int:
            return len(await site.host.processes.members(marker, None))

        while await there() < 4:
            await asyncio.sleep(0.02)
        record, processes = instance.record, site.host.processes
        adopted = (await survivors.find(record.uid, record.user, directory, processes)).run
        assert adopted is not None and adopted.pid == min(await site.host.processes.members(marker, None))


async def test_what_cleared_its_environment_and_left_is_ended_with_the_tasks_last_instance(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        stray = "setsid env -i /bin/sh -c 'setsid sleep 100000 & setsid sleep 100000 & sleep 100000'"
        first = await site.run("strays", f"{stray} & {FOREVER}")
        second = await site.run("strays", FOREVER, 1)
        neighbour = await site.run("neighbour", FOREVER)
        uid = site.uid(first)
        await soon(lambda: len(list(living(uid))) == 8, "the strays run")
        await site.end(first)
        assert len(list(living(uid))) == 6, "they are not told from the other instance's"
        assert second.record.phase == "Running"
        await site.end(second)
        assert list(living(uid)) == []
        assert len(await site.host.processes.members(site.marker(neighbour), None)) == 2


async def test_a_user_is_another_tasks_only_when_nothing_runs_as_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two numbers: one for the agent, one for a task at a time. Who gets none waits until one is free."""
    monkeypatch.setattr(instances, "LONGEST_PAUSE", 0.05)
    numbers = Range(NUMBERS.last + 1, NUMBERS.last + 2)
    async with bench(tmp_path, numbers) as site:
        first = await site.run("first", FOREVER)
        waiting = site.begin(site.record("second", command=["sh", "-c", FOREVER]))
        await soon(lambda: waiting.record.reason == "OutOfTaskUsers", "it waits")
        assert waiting.record.phase == "Pending" and waiting.record.user is None
        assert f"each of the 1 users {numbers} is another task's" in waiting.record.message
        uid = site.uid(first)
        first.stop()
        await first.over()
        assert waiting.record.user is None, "the first one's files are there still"
        left = subprocess.Popen(["sleep", "100000"], user=uid, group=uid, extra_groups=[], env={})
        del site.held[first.record.uid]  # the agent is killed before it has cleared the user
        await soon(lambda: waiting.record.phase == "Running", "it starts by itself")
        assert site.uid(waiting) == uid and left.wait(10) == -signal.SIGKILL
        stopped = site.begin(site.record("third", command=["sh", "-c", FOREVER]))
        await soon(lambda: stopped.record.reason == "OutOfTaskUsers", "it waits")
        stopped.stop()
        await stopped.over()
        assert (stopped.record.phase, stopped.record.restarts) == ("Stopped", 0)


COMET = """
import os
os.setsid()
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
    if not os.fork():
        os.execve("/bin/sleep", ["sleep", "0.05"], {})
"""


async def test_what_forks_faster_than_it_is_found_is_ended(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        neighbour = await site.run("neighbour", FOREVER)
        comet = await site.run("comet", f"{PYTHON} -c '{COMET}' & {FOREVER}", stop={"gracePeriod": "0s"})
        await site.end(comet)
        assert list(living(site.uid(comet))) == []
        assert len(await site.host.processes.members(site.marker(neighbour), None)) == 2


async def test_who_is_ended_can_not_stop_what_ends_it(tmp_path: Path) -> None:
    """Processes that go on signalling all that they may: SIGSTOP to everybody of their user."""
    uid = NUMBERS.last + 9
    script = "import os, signal\nwhile True:\n  os.kill(-1, signal.SIGSTOP); os.kill(-1, signal.SIGCONT)"
    hostile = [subprocess.Popen([PYTHON, "-c", script], user=uid, group=uid, extra_groups=[], env={}) for _ in range(3)]
    await Clearing(lambda: [NUMBERS.spare]).clear(uid)
    assert {process.wait(10) for process in hostile} == {-signal.SIGKILL}


async def test_nothing_is_given_away_by_a_path_on_which_the_task_has_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an instance is unpacked, another of its Task and the task's user try all that they reach."""
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for number in range(200):
            packed.writestr(f"a/b/{number}", "x")
    seen: list[tuple[int, int]] = []
    real = tree.give

    def give(path: Path, uid: int, gid: int) -> None:
        for folder in (path, path.parent):
            about = folder.stat(follow_symlinks=False)
            seen.append((about.st_uid, stat.S_IMODE(about.st_mode)))
        closed = as_task(uid, "ls", str(path))
        assert closed.returncode != 0 and "Permission denied" in closed.stderr
        real(path, uid, gid)

    monkeypatch.setattr(tree, "give", give)
    async with bench(tmp_path / "site") as site:
        site.host.artifact_dir = tmp_path
        digest = sha256(archive.read_bytes()).hexdigest()
        artifact = {"url": "file:app.zip", "sha256": digest}
        record = site.record("unpacked", command=["sh", "-c", FOREVER], artifact=artifact)
        swap = (
            f"cd {site.host.journal.directory(record.uid)}; for p in staging/work/a staging/work staging; do "
            "mv $p ${p}x; ln -sfn /etc $p; chmod 777 $p; done"
        )
        await site.run("unpacked", f"while :; do ({swap}) 2> /dev/null; done", 1)
        instance = site.begin(record)
        await soon(lambda: instance.record.phase in ("Running", "Failed"), "it runs")
        assert instance.record.phase == "Running", instance.record.message
        assert [owner for owner, _ in seen] == [0] * 4 and seen[3][1] == 0o700
        work = site.work(instance)
        owners = {str(path): path.stat(follow_symlinks=False).st_uid for path in (work, *work.rglob("*"))}
        assert {path: owner for path, owner in owners.items() if owner != site.uid(instance)} == {}
        assert len(owners) >= 203, "the task may have added what is its own"
        assert not (work.parent / "staging").exists()


async def test_an_instance_that_is_prepared_anew_removes_no_more_than_its_own(tmp_path: Path) -> None:
    """What a killed agent left may hold links, and be deeper than a path can be and than functions may call."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    async with bench(tmp_path / "site") as site:
        record = site.record("again", command=["sh", "-c", FOREVER])
        left = site.host.journal.directory(record.uid) / "work"
        (left / "a").mkdir(parents=True)
        (left / "a" / "out").symlink_to(precious)
        place = os.open(left, os.O_RDONLY)
        for _ in range(1100):
            os.mkdir("deep-one", dir_fd=place)
            deeper = os.open("deep-one", os.O_RDONLY, dir_fd=place)
            os.close(place)
            place = deeper
        os.close(place)
        instance = site.begin(record)
        await soon(lambda: record.phase in ("Running", "Failed"), "it runs")
        assert record.phase == "Running", record.message
        assert list(site.work(instance).iterdir()) == [] and (precious / "file").read_text() == "kept"


async def test_a_reason_tells_nothing_of_what_the_task_may_not_see(tmp_path: Path) -> None:
    """What is there and closed is told as what is not there."""
    user = TaskUser("t", NUMBERS.first + 1, NUMBERS.first + 1)
    work = tmp_path / "work"
    work.mkdir()
    for part in (tmp_path, *list(tmp_path.parents)[:2]):
        part.chmod(0o711)
    os.chown(work, user.uid, user.gid)
    secret = tmp_path / "secret"
    (secret / "folder").mkdir(parents=True)
    (secret / "tool").write_text("#!/bin/sh\n")
    (secret / "tool").chmod(0o755)
    secret.chmod(0o700)

    def told(template: Template, path: str = "/nowhere") -> tuple[str, str]:
        with pytest.raises(Failure) as caught, of(user):
            command_of(template, directory_of(template, work), path)
        return caught.value.reason, str(caught.value)

    for there, absent in ((f"{secret}/tool", f"{secret}/none"), (f"{secret}/folder", f"{secret}/nope")):
        assert told(Template(command=(there,)))[0] == told(Template(command=(absent,)))[0] == "CommandNotFound"
        same = [told(Template(command=(name,)))[1].replace(name, "") for name in (there, absent)]
        assert same[0] == same[1]
        places = [told(Template(working_dir=name, command=("true",)))[1].replace(name, "") for name in (there, absent)]
        assert places[0] == places[1]
    assert told(Template(command=("tool",)), str(secret)) == told(Template(command=("tool",)), str(secret))
    assert told(Template(command=("tool",)), str(secret))[0] == "CommandNotFound"
    assert secret.stat().st_uid == 0 and os.listdir(secret), "and root is root again"


async def test_an_environment_of_two_megabytes_and_a_name_that_is_too_long_fail_alone(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        large = [{"name": f"V{number}", "value": "x" * 130_000} for number in range(70)]
        instance = site.begin(site.record("large", command=["true"], env=large))
        await instance.over()
        assert (instance.record.phase, instance.record.reason) == ("Failed", "InvalidSpec")
        assert "are larger than the system lets a process have" in instance.record.message


async def test_a_huge_environment_is_read_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = [{"name": f"V{number}", "value": "x" * 120_000} for number in range(10)]
    async with bench(tmp_path) as site:
        instance = await site.run("large", FOREVER, env=large)
        sizes: list[int] = []
        real = procfs._head

        def head(path: str) -> bytes | None:
            content = real(path)
            sizes.append(len(content or b""))
            return content

        monkeypatch.setattr(procfs, "_head", head)
        members = await site.host.processes.members(site.marker(instance), None)
        assert members and max(sizes) == procfs._HEAD


def test_a_marker_is_of_its_user_and_root_can_become_anybody() -> None:
    assert Marker("a/1", 5).takes(5) and not Marker("a/1", 5).takes(6) and Marker("a/1", 0).takes(6)
