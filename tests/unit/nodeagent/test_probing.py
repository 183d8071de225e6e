"""The order of a run's probes, and what each says of it: real commands that look for files."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path

from tests.conftest import soon

from starlink.api.template import ExecAction, Probe, Probes
from starlink_nodeagent.clock import Clock
from starlink_nodeagent.probes import probing
from starlink_nodeagent.probes.probes import Target
from starlink_nodeagent.runtimes.contract import Exit
from starlink_nodeagent.runtimes.supervision.execution import succeed
from starlink_nodeagent.users.user import TaskUser


def is_there(name: str) -> Probe:
    return Probe(exec=ExecAction(command=("test", "-e", name)), period="20ms", timeout="10s", failure_threshold=1)


class Heard:
    """What a run is told by its probes."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.exits: list[Exit] = []

    def started(self) -> None:
        self.told.append("started")

    def readiness(self, well: bool, why: str) -> None:
        word = "ready" if well else f"not ready: {why}"
        if self.told[-1:] != [word]:
            self.told.append(word)


@contextlib.asynccontextmanager
async def attended(spec: Probes, work: Path) -> AsyncIterator[tuple[Heard, "asyncio.Task[None]"]]:
    heard = Heard()
    env, user = {"PATH": os.environ["PATH"]}, TaskUser("oneself", os.geteuid(), os.getegid())

    def execute(command: Sequence[str], seconds: float) -> Awaitable[str]:
        return succeed(command, work, env, user, seconds)

    target = Target({}, execute, Clock())
    task = asyncio.create_task(probing.attend(spec, target, heard.started, heard.readiness, heard.exits.append))
    try:
        yield heard, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_without_probes_a_run_has_started_at_once(tmp_path: Path) -> None:
    async with attended(Probes(), tmp_path) as (heard, task):
        await task
        assert (heard.told, heard.exits) == (["started"], [])


async def test_readiness_and_liveness_are_asked_once_startup_has_succeeded(tmp_path: Path) -> None:
    spec = Probes(startup=is_there("up"), readiness=is_there("ready"), liveness=is_there("alive"))
    async with attended(spec, tmp_path) as (heard, _):
        await soon(lambda: heard.exits, "the startup probe to fail")
        assert {exit_.cause for exit_ in heard.exits} == {"StartupFailed"} and heard.told == []
        for name in ("ready", "alive", "up"):
            (tmp_path / name).touch()
        await soon(lambda: heard.told == ["started", "ready"], "it to be ready")
        assert {exit_.cause for exit_ in heard.exits} == {"StartupFailed"}


async def test_what_is_no_longer_ready_is_told_and_what_is_no_longer_alive_is_given_up(tmp_path: Path) -> None:
    for name in ("ready", "alive"):
        (tmp_path / name).touch()
    async with attended(Probes(readiness=is_there("ready"), liveness=is_there("alive")), tmp_path) as (heard, _):
        await soon(lambda: heard.told == ["started", "ready"], "it to be ready")
        (tmp_path / "ready").unlink()
        await soon(lambda: heard.told[2:] == ["not ready: exit code 1"], "it to be not ready")
        assert heard.exits == []
        (tmp_path / "alive").unlink()
        await soon(lambda: heard.exits, "the run to be given up")
        assert heard.exits[0] == Exit(None, "", "LivenessFailed", "the liveness probe failed: exit code 1")
