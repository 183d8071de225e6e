"""A task's processes that hide from its end, and the users that they run as: none outlives the task, none is met by
another instance, and no other task's process is ended for it."""

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.attack.instances import NUMBERS, PYTHON, Bench, bench, needs_root
from tests.conftest import soon

from starlink.backoff import Pauses
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.instances import forgetting
from starlink_nodeagent.instances import instance as instances
from starlink_nodeagent.instances.forgetting import Forgetting
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.instances.remains import Remains
from starlink_nodeagent.journal.record import Record, decode, encode
from starlink_nodeagent.processes.processes import Marker
from starlink_nodeagent.processes.procfs import arguments_of, living, run_of
from starlink_nodeagent.runtimes.supervision import supervisor, survivors
from starlink_nodeagent.stop_all import park_all
from starlink_nodeagent.users import claims, clearing
from starlink_nodeagent.users import policy as users
from starlink_nodeagent.users.clearing import Clearing
from starlink_nodeagent.users.policy import Users
from starlink_nodeagent.users.uids import DEFAULTS, Range
from starlink_nodeagent.users.user import TaskUser

pytestmark = needs_root
FOREVER = "exec sleep 100000"
HIDE = (
    "import os\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0: os.execve('/bin/sleep', ['sleep', '100000'], {})\n"
    "    os._exit(0)\n"
)
"""Leaves a process that nothing but its user tells of."""
HIDING = f'{PYTHON} -c "{HIDE}"; {FOREVER}'
LITTER = "i=0; while :; do i=$((i+1)); : > f$i; done"
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def stray() -> Iterator[Start]:
    """Starts a process as a user that nothing but the user tells of; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(uid: int, *command: str, cwd: Path | None = None) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            command or ("/bin/sleep", "100000"), user=uid, group=uid, extra_groups=[], env={}, cwd=cwd or "/",
            start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "PAUSES", Pauses(0.01, 10.0))


async def hiding(site: Bench, task: str, task_uid: str = "") -> Instance:
    """An instance that has a hidden process."""
    instance = await site.run(task, HIDING, task_uid=task_uid)
    await soon(lambda: any(map(is_hidden, living(site.uid(instance)))), "the hidden one runs")
    return instance


def is_hidden(pid: int) -> bool:
    return arguments_of(pid)[0] == b"sleep" and run_of(pid) is None


async def forget(site: Bench, instance: Instance) -> None:
    """As the agent does it."""
    Forgetting(site.held, site.host, lambda: None).begin(instance.record.uid)
    await soon(lambda: instance.record.uid not in site.held, "it is forgotten")


async def test_files_go_after_the_processes_that_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stray: Start
) -> None:
    """And each time that they can't be removed, what runs by then is ended first."""
    async with bench(tmp_path) as site:
        instance = await site.run("litter", FOREVER)
        uid, work = site.uid(instance), site.work(instance)
        littering = [stray(uid, "/bin/sh", "-c", LITTER, cwd=work)]
        await soon((work / "f1").exists, "files are made")
        alive: list[int] = []
        real = site.host.journal.forget

        async def remove(name: str) -> None:
            alive.append(len(list(living(uid))))
            if len(alive) < 3:
                littering.append(stray(uid, "/bin/sh", "-c", LITTER, cwd=work))
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            await real(name)

        monkeypatch.setattr(site.host.journal, "forget", remove)
        await forget(site, instance)
        assert alive == [0, 0, 0] and not work.parent.exists()
        assert {process.wait(10) for process in littering} == {-signal.SIGKILL}


async def test_what_can_not_be_ended_at_once_is_ended_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path) as site:
        instance = await hiding(site, "later")
        errors: list[Exception] = [
            NotYet("TaskUserBusy", ""),
            OSError(errno.EMFILE, ""),
            OverflowError(),
            RuntimeError(),
        ]
        real = Clearing.clear

        async def clear(clearing: Clearing, uid: int) -> None:
            if errors:
                raise errors.pop()
            await real(clearing, uid)

        monkeypatch.setattr(Clearing, "clear", clear)
        await forget(site, instance)
        assert not errors and list(living(site.uid(instance))) == []


async def test_a_directory_that_can_not_be_removed_holds_up_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stray: Start
) -> None:
    """Directories without a record that nobody declares, of users that something hidden runs as."""
    async with bench(tmp_path) as site:
        names = [site.record(task).uid for task in ("bad", "good")]
        owners = {name: NUMBERS.first + 5 + at for at, name in enumerate(sorted(names))}
        hidden = []
        for name, owner in owners.items():
            (site.host.journal.directory(name) / "work").mkdir(parents=True)
            os.chown(site.host.journal.directory(name) / "work", owner, owner)
            hidden.append(stray(owner))
        stuck, fine = sorted(names)
        real = site.host.journal.forget

        async def remove(name: str) -> None:
            if name == stuck:
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            await real(name)

        monkeypatch.setattr(site.host.journal, "forget", remove)
        remains = Remains(names, site.host)
        site.host.undecided = remains.users
        make = partial(pytest.fail, "nothing is declared")
        assert await remains.settle({}, (), make) == []
        assert not remains.settled and not site.host.journal.directory(fine).exists()
        assert {process.wait(10) for process in hidden} == {-signal.SIGKILL}
        assert set(site.host.users_taken()) == {owners[stuck]}
        monkeypatch.setattr(site.host.journal, "forget", real)
        assert await remains.settle({}, (), make) == []
        assert remains.settled and not site.host.journal.directory(stuck).exists()


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "x"), OSError(errno.EAGAIN, "x"), OverflowError()])
async def test_nothing_is_started_as_a_user_before_it_was_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stray: Start, error: Exception
) -> None:
    async with bench(tmp_path) as site:
        record = site.record("second", command=["sh", "-c", FOREVER])
        number = site.host.users.of(record.namespace, record.task, {}).uid
        hidden = stray(number)
        fails = [error]
        real = Clearing.clear

        async def clear(clearing: Clearing, uid: int) -> None:
            if fails:
                raise fails.pop()
            await real(clearing, uid)

        monkeypatch.setattr(Clearing, "clear", clear)
        with pytest.raises(type(error)):
            await site.host.give_user(record)
        instance = site.begin(record)
        await soon(lambda: record.phase == "Running", "it runs")
        assert site.uid(instance) == number and hidden.wait(10) == -signal.SIGKILL


@pytest.fixture
def unkillable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes outlive what is to end them, as those do that wait for a disk."""

    async def in_vain(_uid: int, _spare: int) -> None:
        pass

    monkeypatch.setattr(clearing, "_kill_all", in_vain)
    monkeypatch.setattr(clearing, "_PAUSES", Pauses(0.001, 0.016))
    monkeypatch.setattr(instances, "COSTLY_PAUSES", Pauses(0.01, 0.05))


async def test_a_user_that_is_busy_is_waited_for(tmp_path: Path, unkillable: None, stray: Start) -> None:
    async with bench(tmp_path) as site:
        record = site.record("second", command=["sh", "-c", FOREVER])
        number = site.host.users.of(record.namespace, record.task, {}).uid
        hidden = stray(number)
        told: list[tuple[str, str, str]] = []
        instance = site.held[record.uid] = Instance(record, site.host, lambda one: told.append(said(one)), fresh=True)
        instance.begin()
        await soon(lambda: instance._failures >= 3, "it has been tried several times")
        assert said(instance)[:2] == ("Pending", "TaskUserBusy") and f"the user {number} " in record.message
        assert told == [said(instance)], "said once"
        hidden.kill()
        await soon(lambda: record.phase == "Running", "it runs")
        assert (site.uid(instance), record.reason, record.restarts) == (number, "", 0)
        instance.stop()
        await instance.over()


async def test_one_that_waits_for_its_user_is_stopped_at_once(
    tmp_path: Path, unkillable: None, stray: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "COSTLY_PAUSES", Pauses(1e6, 1e6))
    async with bench(tmp_path) as site:
        record = site.record("second", command=["sh", "-c", FOREVER])
        hidden = stray(site.host.users.of(record.namespace, record.task, {}).uid)
        instance = site.begin(record)
        await soon(lambda: record.reason == "TaskUserBusy", "it waits")
        instance.stop()
        await instance.over()
        assert said(instance)[:2] == ("Stopped", "Stopped") and hidden.poll() is None
        assert site.uid(instance) in site.host.users_taken(), "no other Task meets what runs as it"
        hidden.kill()
        assert hidden.wait(10) == -signal.SIGKILL


def said(instance: Instance) -> tuple[str, str, str]:
    return instance.record.phase, instance.record.reason, instance.record.message


async def test_a_task_made_again_at_once_does_not_meet_what_hid_before(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        old = await hiding(site, "again")
        old.stop()
        await old.over()
        uid = site.uid(old)
        assert len(list(living(uid))) == 1, "it is not forgotten yet"
        new = await site.run("again", FOREVER, 1)
        assert site.uid(new) == uid and len(list(living(uid))) == 2
        await forget(site, old)
        assert len(await site.host.processes.members(site.marker(new), None)) == 2


def loaded_anew(site: Bench, instance: Instance) -> Instance:
    """As the next agent finds it in the journal; it does not live yet."""
    site.host._settled.discard(instance.record.uid)
    record = decode(encode(instance.record), instance.record.uid)
    again = site.held[record.uid] = Instance(record, site.host, lambda _: None)
    return again


@pytest.mark.parametrize("killed", [False, True], ids=["one agent", "the agent is killed at each step"])
async def test_a_deleted_task_and_the_next_of_its_name_never_run_as_one_user_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """Where instances of both are on a server, and something of the deleted one hides."""
    monkeypatch.setattr(instances, "PAUSES", Pauses(0.05, 0.05))

    async def step(*ones: Instance) -> list[Instance]:
        """Goes on with these, where the agent was killed those that it finds."""
        for one in ones if killed else ():
            one.leave()
            await one.over()
        found = [loaded_anew(site, one) for one in ones] if killed else [*ones]
        for one in found if killed else ():
            one.begin()
        return found

    async with bench(tmp_path) as site:
        first, second = await hiding(site, "again", "old"), await site.run("again", FOREVER, 1, task_uid="old")
        uid = site.uid(first)
        record = site.record("again", 2, task_uid="new", command=["sh", "-c", FOREVER])
        new = site.begin(record)
        await soon(lambda: new.record.reason == clearing.BUSY, "the new one waits")
        assert said(new)[0] == "Pending" and "default/again-0, default/again-1" in new.record.message
        new, first, second = await step(new, first, second)
        await forget(site, first)
        await soon(lambda: new.record.message.endswith("stopped: default/again-1"), "it waits for the other one")
        assert any(map(is_hidden, living(uid))), "which may have hidden it"
        new, second = await step(new, second)
        second.stop()
        await second.over()
        new, second = await step(new, second)
        await soon(lambda: new.record.phase == "Running", "the new one runs")
        assert site.uid(new) == uid
        assert {*living(uid)} == {*await site.host.processes.members(site.marker(new), None)}, "nothing else does"
        late = site.begin(site.record("again", 3, task_uid="old", command=["sh", "-c", FOREVER]))
        await soon(lambda: late.record.reason == clearing.BUSY, "one more of the deleted Task does not run beside it")
        sibling = await site.run("again", FOREVER, 4, task_uid="new")
        assert site.uid(sibling) == uid
        new.stop()
        await new.over()
        assert len(list(living(uid))) == 2, "the sibling's"


async def test_what_another_cluster_declared_of_a_name_is_not_waited_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        orphan = await site.run("again", FOREVER, task_uid="old")
        orphan.record.cluster = "gone"
        new = await site.run("again", FOREVER, 1, task_uid="new")
        sibling = await site.run("again", FOREVER, 2, task_uid="new")
        assert site.uid(new) == site.uid(sibling) != site.uid(orphan)
        assert len(list(living(site.uid(orphan)))) == 2


async def test_an_instance_that_is_being_stopped_is_not_ended_for_the_next_one(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        script = "trap 'while test ! -e end; do sleep 0.05; done; exit 0' TERM; while :; do sleep 0.05; done"
        old = await site.run("polite", script, stop={"gracePeriod": "60s"})
        old.stop()
        new = await site.run("polite", FOREVER, 1)
        assert site.uid(new) == site.uid(old) and not old.record.finished
        (site.work(old) / "end").touch()
        await old.over()
        assert (old.record.phase, old.record.exit_code) == ("Stopped", 0)
        await forget(site, old)
        assert len(await site.host.processes.members(site.marker(new), None)) == 2


async def test_what_lives_of_a_record_that_is_older_is_not_ended_for_another_instance(tmp_path: Path) -> None:
    """The record tells of no user and no run, and nobody has looked yet."""
    async with bench(tmp_path) as site:
        old = await site.run("older", FOREVER)
        before = await site.host.processes.members(site.marker(old), None)
        old.leave()
        await old.over()
        marker, record = site.marker(old), _copy(old.record)
        record.user, record.prepared, record.run, record.phase = None, False, 0, "Preparing"
        again = site.held[record.uid] = Instance(record, site.host, lambda _: None)
        await site.run("older", FOREVER, 1)
        again.begin()
        await soon(lambda: record.prepared, "it goes on")
        assert record.run == 1 and await site.host.processes.members(marker, None) == before


async def test_what_ends_a_user_ends_no_task_of_an_earlier_range(tmp_path: Path) -> None:
    """The number that the present range keeps for it was a Task's."""
    async with bench(tmp_path) as site:
        elder = await site.run("elder", FOREVER)
        first = site.uid(elder)
        assert first not in set(site.host.users.spares(site.host.users_taken()))
        site.host.users = Users(Range(first, first + 3))
        other = await hiding(site, "other")
        await forget(site, other)
        assert list(living(site.uid(other))) == []
        assert elder.record.phase == "Running" and len(list(living(first))) == 2


async def test_where_all_share_a_user_a_spare_number_is_found(tmp_path: Path, stray: Start) -> None:
    """Tasks of earlier options have numbers of their own still; so may a stranger's process."""
    async with bench(tmp_path) as site:
        elder = await hiding(site, "elder")
        stranger = stray(next(iter(site.host.users.spares(site.host.users_taken()))))
        site.host.users = Users(shared=TaskUser("nobody", 65_534, 65_534), claimed=(NUMBERS,))
        await forget(site, elder)
        assert list(living(site.uid(elder))) == [] and stranger.poll() is None
        kept = Users(shared=TaskUser("nobody", 65_534, 65_534)).spares({DEFAULTS[0].first})
        assert next(iter(kept)) in {numbers.first for numbers in DEFAULTS[1:]}


def test_a_record_of_an_earlier_agent_keeps_its_user_alone() -> None:
    fields = {
        "uid": "0d9ba4e5-5c2a-4a0c-9f0e-000000000001", "namespace": "n", "name": "a", "task": "a", "slot": "0",
        "cluster": "c", "resource_version": 1, "generation": 1, "template": {},
        "user": {"name": "1001", "uid": 1001, "gid": 1001, "spare": 1000},
    }  # fmt: skip
    found = decode(msgspec.json.encode(fields), str(fields["uid"]))
    assert found.user == TaskUser("1001", 1001, 1001, alone=True) and b"spare" not in encode(found)
    assert decode(encode(found), found.uid).user == found.user


async def test_a_number_that_a_record_has_is_taken_whatever_the_options_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that was damaged, under --task-user or another range: its number is told by its directory."""
    monkeypatch.setattr(claims, "FOLDER", tmp_path / "claims")
    data = tmp_path / "agent"
    (data / "instances" / "one").mkdir(parents=True)
    assert claims.take([NUMBERS], data) and claims.own(data) == (NUMBERS,) and claims.own(tmp_path) == ()
    known, unknown, anothers = NUMBERS.first + 3, NUMBERS.last + 15, 65_534
    for number in (known, unknown, anothers):
        (tmp_path / str(number)).mkdir()
        os.chown(tmp_path / str(number), number, number)
    monkeypatch.setattr(users, "is_known", lambda number: number != unknown)
    for made in (users.users("nobody", None, data / "note"), users.users(None, "70000-70010", data / "note")):
        alone = {number: made.owner(tmp_path / str(number)).alone for number in (known, unknown, anothers)}
        assert alone == {known: True, unknown: True, anothers: False}
        assert not made.owner(Path("/")).alone
    async with bench(tmp_path / "site") as site:
        instance = await site.run("former", FOREVER)
        assert instance.record.user is not None
        uid = site.uid(instance)
        instance.record.user = replace(instance.record.user, alone=False)
        assert uid in site.host.users_taken()
        instance.record.user = replace(instance.record.user, alone=True)


async def test_what_hides_is_ended_when_all_is_stopped(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        ones = [await hiding(site, task) for task in ("one", "two")]
        for instance in ones:
            instance.leave()
            await instance.over()
            await site.host.journal.save(instance.record)
        assert await park_all(tmp_path) == 2
        assert [list(living(site.uid(instance))) for instance in ones] == [[], []]


FORGED = "env STARLINK_RUN={run} setsid /bin/sh -c 'sleep 100000; :' starlink-run x & sleep 100000"


@pytest.mark.parametrize("number", ["2", "3", "999999999", "999999999999999999"])
async def test_a_run_that_the_agent_never_made_is_not_adopted(tmp_path: Path, number: str) -> None:
    async with bench(tmp_path) as site:
        record = site.record("forger")
        run = f"{record.uid}/{number}"
        instance = await site.run("forger", FORGED.format(run=run))
        uid, directory, reader = record.uid, site.work(instance).parent, site.host.processes

        async def found() -> survivors.Found:
            return await survivors.find(site.host.context(instance.record), reader)

        while len((there := await found()).markers) < 2:
            pass
        assert there.run is not None and there.run.marker == Marker(f"{uid}/1", site.uid(instance), alone=True)
        instance.leave()
        await instance.over()
        again = site.begin(_copy(instance.record))
        await soon(lambda: again._run is not None, "it is adopted")
        assert isinstance(again._run, supervisor.Run) and again._run.marker.run == f"{uid}/1"

        async def forged() -> bool:
            return len((await found()).markers) == 1

        while not await forged():
            pass
        assert again.record.run == 1 and supervisor.exit_of(directory / "runs" / "1").code is None


def _copy(record: Record) -> Record:
    return decode(encode(record), record.uid)
