"""Processes that outlive a SIGKILL, as those do that wait for a file system that does not answer: it is said which, the
agent does not wear itself out with them, and nobody says that they are stopped."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.attack.instances import NUMBERS, bench, needs_root
from tests.conftest import soon

from starlink.backoff import Pauses
from starlink_nodeagent import __main__ as process
from starlink_nodeagent.instances import instance as instances
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.processes.procfs import living
from starlink_nodeagent.runtimes.supervision import supervisor
from starlink_nodeagent.stop_all import StillRunning, park_all
from starlink_nodeagent.users import claims, clearing

pytestmark = needs_root
DEAF = "trap '' TERM; while :; do sleep 0.05; done"


@pytest.fixture
def unkillable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all were so: SIGKILLs of the agent are lost."""

    async def in_vain(_uid: int, _spare: int) -> bool:
        return True

    monkeypatch.setattr(supervisor, "send", lambda *_: None)
    monkeypatch.setattr(clearing, "_kill_all", in_vain)
    monkeypatch.setattr(clearing, "_PAUSES", Pauses(0.001, 0.016))
    monkeypatch.setattr(instances, "COSTLY_PAUSES", Pauses(0.01, 0.02))


async def ended(uid: int) -> None:
    """Kills all of a user's, those too that are made meanwhile."""

    def all_gone() -> bool:
        left = [*living(uid)]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        return not left

    await soon(all_gone, "all of it has ended")


@pytest.mark.usefixtures("unkillable")
async def test_one_that_is_to_stop_says_what_it_waits_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        told: list[tuple[str, str]] = []
        command = ["sh", "-c", "trap '' TERM; touch deaf; sleep 100000"]
        record = site.record("deaf", command=command, stop={"gracePeriod": "100ms"})
        instance = site.held[record.uid] = Instance(
            record, site.host, lambda one: told.append((one.record.phase, one.record.reason))
        )
        instance.begin()
        await soon((site.host.journal.directory(record.uid) / "work" / "deaf").exists, "it runs, and is deaf")
        await soon(lambda: record.phase == "Running", "it is known to run")
        instance.stop()
        await soon(lambda: record.reason == clearing.BUSY, "it says why it does not stop", 30)
        pids = sorted(living(site.uid(instance)))
        assert record.phase == "Stopping" and f"the user {site.uid(instance)} " in record.message
        assert ",".join(map(str, pids)) in record.message
        scans = site.host.processes.scans
        await soon(lambda: site.host.processes.scans > scans + supervisor._STUCK, "it is tried again", 30)
        assert told[-2:] == [("Stopping", ""), ("Stopping", clearing.BUSY)], "said once"
        for pid in pids:
            os.kill(pid, 9)
        await instance.over()
        assert (record.phase, record.reason) == ("Stopped", "Stopped")


@pytest.mark.usefixtures("unkillable")
async def test_one_whose_run_has_ended_is_not_started_beside_what_is_left(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        instance = await site.run("rest", f"({DEAF}) & sleep 0.2")
        await soon(lambda: instance.record.reason == clearing.BUSY, "it waits", 30)
        record = instance.record
        assert (record.phase, record.ready, record.run) == ("Starting", False, 1)
        for pid in living(site.uid(instance)):
            os.kill(pid, 9)
        await soon(lambda: record.run == 2, "it is started again")
        instance.leave()
        await instance.over()
        await ended(site.uid(instance))


@pytest.mark.usefixtures("unkillable")
async def test_who_stops_all_is_told_what_goes_on(tmp_path: Path) -> None:
    """An instance's own processes, and those that hid."""
    async with bench(tmp_path) as site:
        ones = [await site.run("one", DEAF, stop={"gracePeriod": "100ms"}), await site.run("two", "exec sleep 100000")]
        for instance in ones:
            instance.leave()
            await instance.over()
            await site.host.journal.save(instance.record)
        with pytest.raises(StillRunning) as caught:
            await park_all(tmp_path)
        uid = site.uid(ones[0])
        assert f"the user {uid} of a task has processes still" in str(caught.value)
        assert str(uid) in str(caught.value) and str(site.uid(ones[1])) not in str(caught.value)
        await ended(uid)


@pytest.mark.usefixtures("unkillable")
def test_stop_instances_fails_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An instance without a record, of whose user something lives."""
    monkeypatch.setattr(claims, "FOLDER", tmp_path / "claims")
    uid = NUMBERS.first + 9
    work = tmp_path / "agent/instances/0d9ba4e5-5c2a-4a0c-9f0e-000000000001/work"
    work.mkdir(parents=True)
    os.chown(work, uid, uid)
    stray = subprocess.Popen(["/bin/sleep", "100000"], user=uid, group=uid, extra_groups=[])
    try:
        monkeypatch.setattr(sys, "argv", ["agent", "stop-instances", "--data-dir", str(tmp_path / "agent")])
        with pytest.raises(SystemExit) as caught:
            process.main()
        said = capfd.readouterr().err
        assert caught.value.code == process.STILL_RUNNING
        assert f"the user {uid} of a task" in said and f"-p {stray.pid}" in said
    finally:
        stray.kill()
        stray.wait()
