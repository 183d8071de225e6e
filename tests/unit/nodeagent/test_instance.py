"""The life of an instance, whatever its runtime: over a runtime without processes, and in no time."""

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import soon
from tests.unit.nodeagent.fakes import NEIGHBOUR, UID, FakeAgent, World, phases, record

from starlink_nodeagent.failures.failure import Failure, NotYet
from starlink_nodeagent.runtimes.contract import Exit

FOREVER: dict[str, Any] = {"restart": {"policy": "Always", "backoff": {"initial": "1s", "factor": 2, "max": "5s"}}}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    assert made.wrong == []


@pytest.fixture
async def agent(world: World) -> AsyncIterator[FakeAgent]:
    made = FakeAgent(world)
    yield made
    await made.die()


async def test_a_run_is_journaled_started_and_told(world: World, agent: FakeAgent) -> None:
    instance = agent.begin(record())
    await soon(lambda: instance.record.ready, "it runs")
    assert phases(agent.told) == ["Preparing", "Starting", "Running"]
    assert (instance.record.run, instance.record.started_at) == (1, 1_000.0)
    wanted = ["prepare", "write", "written", "start", "started"]
    assert [step for step in world.steps if step in ("prepare", "start", "started")] == ["prepare", "start", "started"]
    assert set(world.steps) >= set(wanted)


async def test_what_ends_is_swept_and_started_again_ever_later(world: World, agent: FakeAgent) -> None:
    instance = agent.begin(record(**FOREVER))
    pauses = []
    for number in range(1, 6):
        await soon(lambda: world.living() and instance.record.ready, "it runs")
        assert instance.record.run == number
        world.living()[0].end(Exit(1))
        await soon(lambda: world.time.pauses and not instance.record.ready, "it waits")
        assert world.steps.count("sweep") == number, "nothing of the run is left when the next one is started"
        assert (instance.record.phase, instance.record.reason) == ("Starting", "BackOff")
        pauses += world.time.pauses
        world.time.pass_(world.time.pauses[0])
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    await soon(lambda: world.living() and instance.record.ready, "it runs")
    world.time.pass_(6.0)
    world.living()[0].end(Exit(0))
    await soon(lambda: world.time.pauses, "it waits")
    assert world.time.pauses == [1.0], "a run that lasts starts the count anew"
    assert instance.record.restarts == 6


@pytest.mark.parametrize(("policy", "code", "phase", "reason"), [
    ("Never", 0, "Exited", "Completed"), ("Never", 3, "Exited", "ProcessExited"),
    ("OnFailure", 0, "Exited", "Completed"),
])  # fmt: skip
async def test_what_is_not_restarted_is_over(
    world: World, agent: FakeAgent, policy: str, code: int, phase: str, reason: str
) -> None:
    instance = agent.begin(record(restart={"policy": policy}))
    await soon(world.living, "it runs")
    world.living()[0].end(Exit(code))
    await instance.over()
    told = instance.record
    assert (told.phase, told.reason, told.exit_code, told.run) == (phase, reason, code, 1)


# Stopping


async def test_a_stop_ends_what_runs(world: World, agent: FakeAgent) -> None:
    instance = agent.begin(record())
    await soon(lambda: instance.record.ready, "it runs")
    instance.stop()
    await instance.over()
    assert (instance.record.phase, instance.record.signal, world.living()) == ("Stopped", "SIGTERM", [])
    assert "the process was ended by SIGTERM" in instance.record.message


async def test_what_is_stopped_while_it_is_prepared_is_never_started(world: World, agent: FakeAgent) -> None:
    agent.runtime.held["prepare"] = asyncio.Event()
    instance = agent.begin(record())
    await soon(lambda: "prepare" in world.steps, "it is prepared")
    instance.stop()
    await instance.over()
    assert instance.record.phase == "Stopped" and "start" not in world.steps


async def test_what_is_stopped_while_its_start_is_written_is_never_started(world: World, agent: FakeAgent) -> None:
    instance = agent.begin(record())
    await soon(lambda: "prepare" in world.steps, "it is prepared")
    instance.stop()  # its first run may be noted already
    await instance.over()
    assert (instance.record.phase, world.living()) == ("Stopped", [])


async def test_what_is_stopped_while_it_waits_for_its_next_run_is_over(world: World, agent: FakeAgent) -> None:
    instance = agent.begin(record(**FOREVER))
    await soon(world.living, "it runs")
    world.living()[0].end(Exit(7))
    await soon(lambda: world.time.pauses, "it waits")
    instance.stop()
    await instance.over()
    assert (instance.record.phase, instance.record.exit_code, instance.record.run) == ("Stopped", 7, 1)
    assert world.time.pauses == []


async def test_what_ends_by_itself_while_it_is_stopped_tells_its_own_end(world: World, agent: FakeAgent) -> None:
    agent.runtime.held["stop"] = asyncio.Event()
    instance = agent.begin(record())
    await soon(lambda: instance.record.ready, "it runs")
    instance.stop()
    await soon(lambda: "stop" in world.steps, "it is stopped")
    assert (instance.record.phase, instance.record.ready) == ("Stopping", False)
    world.living()[0].end(Exit(3))
    agent.runtime.held["stop"].set()
    await instance.over()
    assert (instance.record.phase, instance.record.exit_code, instance.record.run) == ("Stopped", 3, 1)


async def test_a_stop_that_can_not_be_done_yet_is_tried_again(world: World, agent: FakeAgent) -> None:
    agent.runtime.trouble["stop", UID] = NotYet("TaskUserBusy", "it waits")
    instance = agent.begin(record())
    await soon(lambda: instance.record.ready, "it runs")
    instance.stop()
    await soon(lambda: world.time.pauses, "it waits")
    assert (instance.record.phase, instance.record.reason) == ("Stopping", "TaskUserBusy")
    agent.runtime.trouble.clear()
    world.time.pass_(world.time.pauses[0])
    await instance.over()
    assert instance.record.phase == "Stopped" and world.steps.count("stop") == 2


# Probes


async def test_a_probe_says_when_it_is_ready_and_when_no_more(world: World, agent: FakeAgent) -> None:
    agent.runtime.verdicts["ready"] = "exit code 1"
    probe = {"exec": {"command": ["ready"]}, "period": "10s", "failureThreshold": 1}
    instance = agent.begin(record(probes={"readiness": probe}))
    await soon(lambda: instance.record.phase == "Running" and world.time.pauses, "it runs")
    assert not instance.record.ready
    agent.runtime.verdicts.clear()
    world.time.pass_(1.0)
    await soon(lambda: instance.record.ready, "it is ready")
    agent.runtime.verdicts["ready"] = "exit code 2"
    await soon(lambda: world.time.pauses == [10.0], "it is asked less often")
    world.time.pass_(10.0)
    await soon(lambda: not instance.record.ready, "it is ready no more")
    assert (instance.record.phase, instance.record.reason) == ("Running", "NotReady")
    assert "exit code 2" in instance.record.message and len(world.runs) == 1


async def test_a_run_that_its_probe_gives_up_is_ended_and_started_again(world: World, agent: FakeAgent) -> None:
    probe = {"exec": {"command": ["alive"]}, "period": "10s", "failureThreshold": 1}
    instance = agent.begin(record(probes={"liveness": probe}, **FOREVER))
    await soon(lambda: world.time.pauses == [10.0], "it is probed")
    agent.runtime.verdicts["alive"] = "exit code 1"
    world.time.pass_(10.0)
    await soon(lambda: instance.record.reason == "LivenessFailed" and world.time.pauses, "it is given up")
    assert "stop" in world.steps and world.living() == []
    agent.runtime.verdicts.clear()
    world.time.pass_(5.0)
    await soon(lambda: instance.record.ready, "it runs again")
    assert (instance.record.run, instance.record.restarts) == (2, 1)


# Faults of the runtime


@pytest.mark.parametrize("method", ["prepare", "check", "start", "ended", "stop", "sweep"])
async def test_a_fault_of_a_runtime_ends_the_one_instance(world: World, agent: FakeAgent, method: str) -> None:
    """Whatever it raises: nothing runs of it when it says that it has failed, and its neighbour goes on."""
    agent.runtime.trouble[method, UID] = RuntimeError("the runtime's own")
    instance, neighbour = agent.begin(record(restart={"policy": "Never"})), agent.begin(record(NEIGHBOUR))
    if method in ("ended", "stop", "sweep"):
        await soon(lambda: instance.record.ready, "it runs")
        if method == "stop":
            instance.stop()
        else:
            world.living()[0].end(Exit(0))
    if method == "sweep":
        await soon(lambda: world.steps.count("sweep") > 1 or world.time.pauses, "it is tried again")
        agent.runtime.trouble.clear()
        world.time.pass_(15.0)
    await instance.over()
    assert (instance.record.phase, instance.record.reason, world.living()) == ("Failed", "AgentError", [])
    await soon(lambda: neighbour.record.ready, "the neighbour runs")
    assert len(world.living(NEIGHBOUR)) == 1


@pytest.mark.parametrize("method", ["prepare", "start", "adopt"])
async def test_what_the_server_lacks_for_a_while_is_waited_out(world: World, agent: FakeAgent, method: str) -> None:
    agent.runtime.trouble[method, UID] = OSError(errno.EMFILE, "too many open files")
    instance = agent.begin(record(), fresh=method != "adopt")
    await soon(lambda: world.time.pauses, "it waits")
    assert instance.record.reason == "OutOfFiles" and not instance.record.finished
    agent.runtime.trouble.clear()
    world.time.pass_(world.time.pauses[0])
    await soon(lambda: instance.record.ready, "it runs")
    assert len(world.living()) == 1


async def test_a_failure_that_a_runtime_tells_is_told_as_it_is(world: World, agent: FakeAgent) -> None:
    agent.runtime.trouble["check", UID] = Failure("CommandNotFound", "there is no such command")
    instance = agent.begin(record())
    await instance.over()
    told = instance.record
    assert (told.phase, told.reason, told.message) == ("Failed", "CommandNotFound", "there is no such command")
    assert (told.run, told.started_at) == (0, None), "it is no start that failed"


async def test_a_template_that_its_runtime_can_not_use_is_never_started(world: World, agent: FakeAgent) -> None:
    instance = agent.begin(record(command=["bad"]))
    await instance.over()
    assert (instance.record.reason, instance.record.message) == ("InvalidSpec", "template.command: it is bad")
    assert not {"prepare", "start"} & {*world.steps}


# Adoption


async def test_a_run_that_goes_on_is_adopted_whatever_its_record_says(world: World, agent: FakeAgent) -> None:
    instance = agent.begin(record())
    await soon(lambda: instance.record.ready, "it runs")
    await agent.die()
    later = FakeAgent(world)
    old = record()  # as an older copy of the record says
    again = later.begin(old, fresh=False)
    await soon(lambda: again.record.ready, "it is adopted")
    assert (old.run, old.prepared, old.user, len(world.runs)) == (1, True, instance.record.user, 1)
    again.stop()
    await again.over()
    assert world.living() == []
    await later.die()


async def test_of_several_runs_the_latest_goes_on_and_the_others_are_ended(world: World, agent: FakeAgent) -> None:
    instance = agent.begin(record())
    await soon(lambda: instance.record.ready, "it runs")
    await agent.die()
    world.runs.insert(0, type(world.runs[0])(UID, 0))
    later = FakeAgent(world).adopt()
    await soon(lambda: later.instances[UID].record.ready and len(world.living()) == 1, "it is adopted")
    assert [run.number for run in world.living()] == [1]
    await later.die()


async def test_an_end_while_the_agent_was_away_is_counted_once(world: World, agent: FakeAgent) -> None:
    instance = agent.begin(record(**FOREVER))
    await soon(lambda: instance.record.ready, "it runs")
    await agent.die()
    world.living()[0].end(Exit(9))
    for _ in range(2):
        later = FakeAgent(world).adopt()
        told = later.instances[UID].record
        await soon(lambda: world.time.pauses or world.living(), "its end is counted")
        assert (told.restarts, told.exit_code) == (1, 9)
        await soon(lambda: world.record_on_disk(UID).restarts == 1, "and written")
        await later.die()


@pytest.mark.parametrize("fields", [{"runtime": "Container"}, {"runtime": "Later"}])
async def test_what_has_a_runtime_that_is_not_here_is_left_alone(
    world: World, agent: FakeAgent, fields: dict[str, str]
) -> None:
    one = record(**fields)
    one.run, one.prepared, one.phase = 4, True, "Running"
    await agent.journal.save(one)
    before = world.folder.joinpath(UID, "record.json").read_bytes()
    instance = agent.begin(one, fresh=False)
    await soon(lambda: agent.told, "it is told of")
    instance.stop()
    await asyncio.sleep(0)
    assert one.reason == "Unreadable" and "template.runtime" in one.message and not one.stopping
    assert {*world.steps} <= {"write", "written"}, "its runtime is asked for nothing, and no other is"
    assert world.folder.joinpath(UID, "record.json").read_bytes() == before


@pytest.mark.parametrize("stop", [{"signal": "SIGNONE"}, {"gracePeriod": "long"}])
async def test_one_that_says_badly_how_it_is_stopped_ends_all_the_same(
    world: World, agent: FakeAgent, stop: dict[str, str]
) -> None:
    """As the record of one that an earlier agent let through."""
    over, going = record(stop=stop), record(NEIGHBOUR, stop=stop)
    over.phase = "Failed"
    going.run, going.prepared = 1, True
    instances = [agent.begin(one, fresh=False) for one in (over, going)]
    await soon(lambda: all(one._task is not None and one._task.done() for one in instances), "they are over")
    assert (going.phase, going.reason) == ("Failed", "InvalidSpec")
