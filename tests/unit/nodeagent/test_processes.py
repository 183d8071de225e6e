"""Runs are stopped whole, with few readings of /proc however many they are: real processes, readings counted."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import soon

from starlink_nodeagent.processes.processes import Marker, Processes, send
from starlink_nodeagent.processes.procfs import RUN_MARKER
from starlink_nodeagent.runtimes.contract import RunContext
from starlink_nodeagent.runtimes.supervision import supervisor, survivors
from starlink_nodeagent.runtimes.supervision.supervisor import Run
from starlink_nodeagent.users.user import TaskUser

MANY = 100


class Runs:
    """Runs in a folder of the test's own; none outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: list[Run] = []

    def start(self, name: str, script: str) -> Run:
        marker = Marker(f"{os.getpid()}-{self.folder.name}-{name}/1", os.geteuid())
        env = {RUN_MARKER: marker.run, "PATH": os.environ["PATH"]}
        user, log = TaskUser("oneself", os.geteuid(), os.getegid()), self.folder / f"{name}.log"
        run = supervisor.start(self.folder / name / "1", ["sh", "-c", script], str(self.folder), marker, env, log, user)
        self._made.append(run)
        return run

    async def kill(self) -> None:
        processes = Processes()
        await asyncio.gather(*(supervisor.sweep(run.marker, run.pid, processes) for run in self._made))


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    asyncio.run(made.kill())


async def running(processes: Processes, run: Run, count: int) -> list[int]:
    found: list[int] = []
    async with asyncio.timeout(20):
        while len(found) != count:
            found = await processes.members(run.marker, run.pid)
    return found


async def test_a_hundred_that_stop_are_read_together(runs: Runs) -> None:
    many = [runs.start(f"r{number}", "exec sleep 100000") for number in range(MANY)]
    processes = Processes()
    await asyncio.gather(*(running(processes, run, 2) for run in many))
    begun = processes.scans
    await asyncio.gather(*(supervisor.stop(run, signal.SIGTERM, 20.0, processes) for run in many))
    assert processes.scans - begun < MANY / 4
    left = await asyncio.gather(*(processes.members(run.marker, run.pid) for run in many))
    assert left == [[]] * MANY
    assert {supervisor.exit_of(run.directory).signal for run in many} == {"SIGTERM"}


async def test_who_asks_while_it_is_read_is_answered_by_the_next_reading(runs: Runs) -> None:
    processes = Processes()
    first = asyncio.create_task(processes.members(Marker("none/1", os.geteuid()), None))
    while not processes.scans:
        await asyncio.sleep(0)
    run = runs.start("later", "exec sleep 100000")
    found = await asyncio.gather(*(processes.members(run.marker, run.pid) for _ in range(10)))
    assert first.done() and processes.scans == 2 and all(run.pid in pids for pids in found)


async def test_what_left_the_group_gets_the_signal_too_and_what_ignores_it_is_killed(runs: Runs) -> None:
    script = (
        f"cd {runs.folder}; "
        "setsid sh -c 'trap \"echo heard > heard; exit\" TERM; touch apart; while :; do sleep 0.1; done' & "
        "env -i sleep 100000 & "
        "setsid sh -c 'trap \"\" TERM; touch deaf; while :; do sleep 0.1; done' & "
        "exec sleep 100000"
    )
    run, processes = runs.start("strays", script), Processes()
    await soon(lambda: (runs.folder / "apart").exists() and (runs.folder / "deaf").exists(), "the strays run")
    assert len(await processes.members(run.marker, run.pid)) >= 5
    await supervisor.stop(run, signal.SIGTERM, 1.0, processes)
    assert (runs.folder / "heard").read_text() == "heard\n"
    assert await processes.members(run.marker, run.pid) == []


async def test_a_number_that_is_anothers_by_now_is_not_signalled(runs: Runs) -> None:
    other, processes = runs.start("other", "exec sleep 100000"), Processes()
    pids = await running(processes, other, 2)
    for pid in pids:
        send(pid, Marker("gone/1", os.geteuid()), 1, signal.SIGKILL)
    assert sorted(await processes.members(other.marker, other.pid)) == sorted(pids)


async def test_a_run_is_adopted_by_its_marker(runs: Runs) -> None:
    run, processes = runs.start("kept", "exec sleep 100000"), Processes()
    await running(processes, run, 2)
    oneself = TaskUser("oneself", os.geteuid(), os.getegid())
    instance, uid = run.directory.parent.parent, run.marker.run.partition("/")[0]
    adopted = (await survivors.find(RunContext(uid, instance, oneself), processes)).run
    assert adopted is not None and (adopted.pid, adopted.marker) == (run.pid, run.marker)
    assert (await survivors.find(RunContext("another", instance, oneself), processes)).run is None
