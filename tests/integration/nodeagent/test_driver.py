"""Drivers as real processes: started with the agent's rights, told by files, and heard by what they write."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from tests.conftest import soon
from tests.integration.nodeagent.drivers import Server, kill, owner, record, words

from starlink_nodeagent.journal.record import encode
from starlink_nodeagent.layout import RESULT, SPEC
from starlink_nodeagent.processes.procfs import environment_of, user_of
from starlink_nodeagent.runtimes.driver.result import INVALID


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    made = Server(tmp_path)
    yield made
    await made.end()


SLOW = ["sh", "-c", "echo begun; exec sleep 100000"]


async def test_a_batch_of_one_command_ends_as_the_command_does_and_says_what_it_said(server: Server) -> None:
    instance = server.run(restart="Never", command=["sh", "-c", "echo a; echo b >&2; exit 3"])
    await instance.over()
    assert (instance.record.phase, instance.record.exit_code) == ("Exited", 3), instance.record.message
    found = server.found.result
    assert found is not None and found["exitCode"] == 3 and sorted(found["lines"]) == ["a", "b"]
    assert server.results[-1] == found, "the last one is told"
    assert b"a\n" in b"".join(path.read_bytes() for path in (server.directory / "logs").iterdir())


async def test_a_command_that_is_not_there_is_a_result_too(server: Server) -> None:
    instance = server.run(restart="Never", command=["/no/such/command"])
    await instance.over()
    assert server.result() == {"exitCode": 127, "lines": ["/no/such/command can't be run: No such file or directory"]}


async def test_a_driver_has_the_agents_user_and_its_spec_where_nobody_else_can_read_it(server: Server) -> None:
    server.run(command=["sleep", "98765"])
    await server.running()
    await soon(lambda: len(server.processes()) == 3, "supervisor, driver and command run")
    (driver,) = server.drivers()
    assert user_of(driver) == owner()
    path = server.directory / SPEC
    assert (path.stat().st_mode & 0o777, path.stat().st_uid) == (0o600, owner())
    assert os.path.samefile(f"/proc/{driver}/fd/0", path), "it is the standard input"
    secret = b"98765"
    for pid in server.drivers():
        assert secret not in b" ".join(words(pid))
        assert not any("98765" in value for value in environment_of(pid).values())
    assert server.instance is not None and server.instance.record.user is not None
    assert server.instance.record.user.uid == owner()
    ended = await server.stopped()
    assert ended.phase == "Stopped" and server.processes() == []


async def test_nothing_that_lies_where_a_driver_starts_says_what_it_imports(server: Server) -> None:
    work = server.directory / "work" / "starlink_drivers"
    work.mkdir(parents=True)
    (work / "__init__.py").write_text("raise SystemExit(99)")
    (work / "__main__.py").write_text("raise SystemExit(99)")
    instance = server.run(restart="Never", command=["true"])
    await instance.over()
    assert instance.record.exit_code == 0


async def test_another_agent_goes_on_with_a_driver_and_reads_again_what_it_has_found(server: Server) -> None:
    server.run(command=["sh", "-c", "echo $$"], every="1h")
    await soon(lambda: server.found.result, "it has found something")
    found, pids = server.found.result, server.drivers()
    await server.restart_agent()
    assert server.found.result is None
    await soon(lambda: server.found.result == found, "it is read again")
    assert server.drivers() == pids


@pytest.mark.parametrize("victim", ["driver", "supervisor"])
async def test_what_is_killed_runs_again_and_leaves_nothing(server: Server, victim: str) -> None:
    instance = server.run(command=SLOW)
    await server.running()
    await soon(lambda: len(server.processes()) == 3, "all of it runs")
    before = server.processes()
    (driver,) = server.drivers()
    supervisor = min(set(before) - {driver}, key=lambda pid: b"starlink-run" not in words(pid))
    kill(driver if victim == "driver" else supervisor)
    await soon(lambda: instance.record.run == 2 and len(server.processes()) == 3, "it runs again")
    assert not set(before) & set(server.processes())


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a link": lambda path: path.symlink_to("/etc/passwd"),
    "a pipe": lambda path: os.mkfifo(path),
    "a directory": lambda path: path.mkdir(),
    "a sparse gigabyte": lambda path: path.open("wb").truncate(2**30),
    "no JSON": lambda path: path.write_text("{hidden"),
    "a list": lambda path: path.write_text("[]"),
    "depth": lambda path: path.write_text('{"lines":' + "[" * 8000 + "]" * 8000 + "}"),
    "another shape": lambda path: path.write_text('{"exitCode":"hidden"}'),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_what_a_driver_can_not_mean_is_told_without_it_and_the_driver_goes_on(server: Server, what: str) -> None:
    server.run(command=SLOW)
    await server.running()
    pids = server.drivers()
    HOSTILE[what](server.directory / RESULT)
    await soon(lambda: server.found.reason == INVALID, "it is told")
    assert "hidden" not in server.found.message and server.found.result is None
    assert server.drivers() == pids
    assert (await server.stopped()).phase == "Stopped"


async def test_a_change_reaches_the_run_that_there_is(server: Server) -> None:
    instance = server.run(command=SLOW)
    await server.running()
    await soon(lambda: len(server.processes()) == 3, "the command runs")
    pids = server.drivers()
    server.wish(command=["sh", "-c", "echo second; exit 7"], every="1h")
    await server.finds("lines", ["second"])
    assert server.drivers() == pids and instance.record.run == 1
    assert server.spec()["spec"]["every"] == "1h"
    await soon(lambda: len(server.processes()) == 2, "nothing of the first command is left")


async def test_a_change_for_a_driver_that_starts_just_then_is_not_lost_and_ends_nothing(server: Server) -> None:
    """SIGHUP ends a process that does not ask for it; one that is not a driver yet must be spared."""
    instance = server.run(command=["echo", "0"], every="1h")
    await soon((server.directory / SPEC).exists, "it is started")
    for number in range(1, 30):
        server.wish(command=["echo", str(number)], every="1h")
        await asyncio.sleep(0)
        await soon(lambda: server.spec()["spec"]["command"][1] == str(number), "it is told")  # noqa: B023
    await server.finds("lines", ["29"])
    assert (instance.record.run, instance.record.restarts) == (1, 0)


async def test_a_change_while_no_agent_was_there_is_told_by_the_next(server: Server) -> None:
    server.run(command=SLOW)
    await server.running()
    pids = server.drivers()
    await server.leave()
    stored = server.stored()
    server.begin_agent()
    server.begin(stored, fresh=False)
    server.wish(command=["echo", "later"], every="1h")
    await server.finds("lines", ["later"])
    assert server.drivers() == pids


async def test_a_change_that_an_agent_wrote_and_did_not_tell_of_is_told_by_the_next(server: Server) -> None:
    server.run(command=SLOW)
    await server.running()
    pids = server.drivers()
    await server.leave()
    later = record(server.uid, command=["echo", "later"], every="1h").template
    stored = msgspec.structs.replace(server.stored(), template=later)
    (server.directory / "record.json").write_bytes(encode(stored))
    server.begin_agent()
    server.begin(server.stored(), fresh=False)
    await server.finds("lines", ["later"])
    assert server.drivers() == pids
