"""A child of the launcher: whether it fails, what it said, and its log."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.conftest import soon

from starlink.backoff import Pauses
from starlink.cli import child as module
from starlink.cli.child import Child, bound
from starlink.files import rolling


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES", Pauses(0.01, 0.02))
    monkeypatch.setattr(module, "LOG_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "LOG_BYTES", 10_000)


@asynccontextmanager
async def kept(child: Child) -> AsyncIterator[Child]:
    await child.start()
    keeper = asyncio.create_task(child.keep(asyncio.Event()))
    try:
        yield child
    finally:
        await child.stop()
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


def shell(log: Path, script: str) -> Child:
    return Child("agent", ["sh", "-c", script], log)


@pytest.mark.parametrize("script", ["exit 2", "exit 1", "kill -9 $$"])
async def test_one_that_ends_whenever_it_is_started_fails(tmp_path: Path, script: str) -> None:
    async with kept(shell(tmp_path / "agent.log", script)) as child:
        await soon(lambda: child.fails, "it fails")


@pytest.mark.parametrize("first", ["exit 1", "kill -9 $$"])
async def test_one_that_ends_once_does_not_fail(tmp_path: Path, first: str) -> None:
    script = f"if mkdir {tmp_path}/once; then {first}; fi; echo well; exec sleep 1000"
    async with kept(shell(tmp_path / "agent.log", script)) as child:
        await soon(lambda: "well" in child.said() and child.pid, "it was started again")
        assert not child.fails


@pytest.mark.parametrize(("well_seconds", "pauses"), [(1000.0, ["0.1", "0.2", "0.2"]), (0.0, ["0.1", "0.1", "0.1"])])
async def test_it_is_started_again_ever_later_until_a_run_was_long(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    well_seconds: float,
    pauses: list[str],
) -> None:
    monkeypatch.setattr(module, "PAUSES", Pauses(0.1, 0.2))
    monkeypatch.setattr(module, "WELL_SECONDS", well_seconds)

    def starts() -> list[str]:
        return [record.getMessage().split()[-2] for record in caplog.records if "started again" in record.message]

    async with kept(shell(tmp_path / "agent.log", "exit 1")):
        await soon(lambda: len(starts()) >= 3, "it was started three times")
    assert starts()[:3] == pauses


async def test_it_is_asked_what_it_said_since_it_was_started(tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    log.write_text("of yesterday\n")
    async with kept(shell(log, "echo of today; exec sleep 1000")) as child:
        await soon(lambda: child.said() == "of today\n", "it says so")
    assert log.read_text() == "of yesterday\nof today\n"


async def test_one_that_could_not_be_started_again_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    script = f"if mkdir {tmp_path}/once; then mv {folder} {folder}.away; exit 1; fi; exec sleep 1000"
    async with kept(shell(folder / "agent.log", script)) as child:
        await soon(lambda: child.fails, "it can't be started")
        (tmp_path / "logs.away").rename(folder)
        await soon(lambda: child.pid is not None, "it runs")


async def test_a_log_is_cut_while_its_process_runs(tmp_path: Path) -> None:
    log, go = tmp_path / "operator.log", tmp_path / "go"
    os.mkfifo(go)
    script = f"head -c 50000 /dev/zero | tr '\\0' x; echo; echo first; read line < {go}; echo second; exec sleep 1000"
    async with kept(shell(log, script)) as child:
        await soon(lambda: child.said().endswith("first\n"), "it has written")
        cutting = asyncio.create_task(bound(lambda: [log, tmp_path / "gone.log"]))
        await soon(_is_cut(log), "its log is cut")
        assert rolling.older(log).read_text().endswith("x\nfirst\n")
        go.write_text("on\n")
        await soon(lambda: log.read_text() == "second\n", "it writes on")
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)
    assert sum(path.stat().st_size for path in (log, rolling.older(log))) <= 2 * 10_000


def _is_cut(log: Path) -> Callable[[], bool]:
    return lambda: rolling.older(log).exists() and log.stat().st_size == 0
