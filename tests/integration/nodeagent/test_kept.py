"""Processes that a driver keeps: they outlive its runs and its agent, are never doubled, and go with the instance."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import soon
from tests.integration.nodeagent.drivers import Server, kept_of, kill, record

from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.stop_all import park_all

FOREVER = ["sleep", "100000"]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    made = Server(tmp_path)
    yield made
    await made.end()


async def keeping(server: Server, command: list[str] = FOREVER) -> int:
    """An instance that keeps a process; its number."""
    server.begin(record(server.uid, "keep", command=command))
    await soon(lambda: server.found.result, "something is kept")
    pid = kept_of(server)[0]
    assert server.result() == {"pid": pid, "adopted": False}
    return pid


@pytest.mark.parametrize("victims", ["driver", "supervisor", "both"])
async def test_it_outlives_its_drivers_run_and_is_adopted_by_the_next(server: Server, victims: str) -> None:
    pid = await keeping(server)
    assert server.instance is not None
    instance = server.instance
    runs = set(server.processes("1"))
    drivers = set(server.drivers())
    for victim in {"driver": drivers, "supervisor": runs - drivers, "both": runs}[victims]:
        kill(victim)
    await server.finds("adopted", True)
    assert kept_of(server) == [pid] and instance.record.run == 2
    assert not runs & set(server.processes("1"))


async def test_it_outlives_its_agent(server: Server) -> None:
    pid, drivers = await keeping(server), server.drivers()
    await server.restart_agent()
    await soon(lambda: server.found.result, "the next agent has read the result")
    assert (kept_of(server), server.drivers()) == ([pid], drivers)


async def test_it_goes_when_the_instance_stops(server: Server) -> None:
    await keeping(server)
    ended = await server.stopped()
    assert ended.phase == "Stopped" and server.processes() == []


async def test_what_ignores_the_signal_is_killed_and_what_it_started_too(server: Server) -> None:
    await keeping(server, ["sh", "-c", "trap '' TERM; setsid sleep 100000 & sleep 100000; exec sleep 100000"])
    await soon(lambda: len(kept_of(server)) == 3, "it has started others")
    template = record(server.uid, "keep", command=FOREVER).template
    assert template.stop.grace_period == "5s" and server.instance is not None
    ended = await server.stopped()
    assert ended.phase == "Stopped" and server.processes() == []


async def test_it_goes_when_the_instance_ends_for_good(server: Server) -> None:
    """Its driver fails, and is not to be started again."""
    server.begin(record(server.uid, "keep", restart="Never", command=FOREVER))
    await soon(lambda: server.found.result, "something is kept")
    for pid in server.drivers():
        kill(pid)
    assert server.instance is not None
    await server.instance.over()
    assert (server.instance.record.phase, server.processes()) == ("Failed", [])


async def test_it_goes_when_all_is_parked(server: Server) -> None:
    await keeping(server)
    await server.leave()
    assert await park_all(server.folder) == 1
    assert server.processes() == []
    server.begin_agent()
    server.begin(server.stored(), fresh=False)
    await soon(lambda: kept_of(server), "it is kept again")


async def test_an_agent_that_finds_no_record_knows_that_something_lives(server: Server) -> None:
    pid = await keeping(server)
    await server.leave()
    server.begin_agent()
    for one in server.processes("1"):
        kill(one)
    await soon(lambda: server.processes() == [pid], "only what is kept lives")
    assert await server.host.anything_lives(server.uid)


async def test_another_command_takes_its_place(server: Server) -> None:
    pid = await keeping(server)
    server.wish("keep", command=["sleep", "99999"])
    await soon(lambda: [*kept_of(server), pid][0] != pid, "another is kept")
    await soon(lambda: server.result()["pid"] == kept_of(server)[0], "it is told")
    assert len(kept_of(server)) == 1 and server.result()["adopted"] is False


async def test_one_that_ends_is_started_again(server: Server) -> None:
    pid = await keeping(server)
    kill(pid)
    await soon(lambda: server.result()["pid"] != pid, "another is kept")
    assert kept_of(server) == [server.result()["pid"]]


@pytest.mark.parametrize("begun", ["the journal", "the process"])
async def test_a_driver_that_is_killed_as_soon_as_it_has_begun_doubles_nothing(server: Server, begun: str) -> None:
    instance: Record = server.begin(record(server.uid, "keep", command=FOREVER)).record
    is_early = begun == "the journal"
    for _ in range(4):
        async with asyncio.timeout(60):
            while not (server.drivers() and (server.kept_journal().exists() if is_early else kept_of(server))):
                await asyncio.sleep(0)
        run = instance.run
        for pid in server.processes(str(run)):
            kill(pid)
        if is_early:
            server.kept_journal().unlink()  # the agent has no turn before the next run
        await soon(lambda: instance.run > run, "it is started again")  # noqa: B023
    await soon(lambda: server.found.result and kept_of(server) == [server.result()["pid"]], "one is kept")
    assert (await server.stopped()).phase == "Stopped"
    assert server.processes() == []


async def test_what_takes_another_environment_is_adopted_and_goes_all_the_same(server: Server) -> None:
    server.begin(record(server.uid, "keep", command=["env", "-i", "sleep", "100000"]))
    await soon(lambda: server.found.result, "something is kept")
    first = server.result()["pid"]
    await soon(lambda: Path(f"/proc/{first}/cmdline").read_bytes().startswith(b"sleep"), "it is another program")
    for driver in server.drivers():
        kill(driver)
    await server.finds("adopted", True)
    assert server.result()["pid"] == first
    await server.stopped()
    await soon(lambda: not Path(f"/proc/{first}").exists() or _is_zombie(first), "it is gone")


async def test_a_helper_is_not_taken_for_what_has_ended(server: Server) -> None:
    helped = ["sh", "-c", "setsid sleep 100001 & exec sleep 100000"]
    server.begin(record(server.uid, "keep", command=helped))
    await soon(lambda: server.found.result, "something is kept")
    first = server.result()["pid"]
    await soon(lambda: len(kept_of(server)) == 2, "the helper runs too")
    kill(first)
    await soon(lambda: server.result()["pid"] != first and len(kept_of(server)) == 2, "it is started again, whole")
    (command,) = {Path(f"/proc/{pid}/cmdline").read_bytes() for pid in [server.result()["pid"]]}
    assert command == b"sleep\x00100000\x00"


def _is_zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()
