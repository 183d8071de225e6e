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
from tests.attack.instances import NUMBERS, PYTHON, as_task, bench, needs_root
from tests.conftest import soon

from starlink.api.template import Template
from starlink.backoff import Pauses
from starlink.files import tree
from starlink_nodeagent.failures.failure import Failure
from starlink_nodeagent.instances import instance as instances
from starlink_nodeagent.processes import procfs
from starlink_nodeagent.processes.processes import Marker
from starlink_nodeagent.processes.procfs import living, user_of
from starlink_nodeagent.runtimes.process.command import command_of, directory_of
from starlink_nodeagent.runtimes.supervision import survivors
from starlink_nodeagent.users.clearing import Clearing
from starlink_nodeagent.users.rights import of
from starlink_nodeagent.users.uids import Range
from starlink_nodeagent.users.user import TaskUser

pytestmark = needs_root
FOREVER = "exec sleep 100000"


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
            looked_for = site.host.context(victim.record)
            found = await survivors.find(looked_for, site.host.processes)
            assert found.run is not None and found.run.pid in members and len(found.markers) == 1
            await site.end(victim)
            assert forged.poll() is None, "and it is not ended in the run's place"
            found = await survivors.find(looked_for, site.host.processes)
            assert (found.run, found.markers) == (None, ())
        finally:
            forged.kill()
            forged.wait()


async def test_a_run_that_looks_like_a_second_supervisor_is_not_adopted_in_its_place(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        double = "exec setsid /bin/sh -c 'sleep 100000; :' starlink-run x"
        instance = await site.run("double", f"({double}) & {FOREVER}")
        marker = site.marker(instance)

        async def there() -> int:
            return len(await site.host.processes.members(marker, None))

        while await there() < 4:
            await asyncio.sleep(0.02)
        adopted = (await survivors.find(site.host.context(instance.record), site.host.processes)).run
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
    monkeypatch.setattr(instances, "PAUSES", Pauses(0.05, 0.05))
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
        site.host.artifacts.folder = tmp_path
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
