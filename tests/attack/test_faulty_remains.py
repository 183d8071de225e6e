"""What an earlier agent left on a disk where single files can't be moved, read or removed: each such instance waits
alone, and all others are started, stopped and adopted meanwhile."""

import asyncio
import contextlib
import errno
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.attack.agent_site import assignment
from tests.conftest import _let_pass, instances_below, soon

from starlink.api.kinds import ASSIGNMENT, EVENT, SERVER
from starlink.client.kube import Client
from starlink_nodeagent import agent as agents
from starlink_nodeagent import layout
from starlink_nodeagent.agent import Agent
from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.journal import journal as journals
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.machine import machine
from starlink_nodeagent.runtimes.supervision import survivors
from starlink_nodeagent.stop_all import StillRunning, park_all
from starlink_nodeagent.users import claims
from starlink_nodeagent.users.policy import Users
from starlink_nodeagent.users.uids import Range
from starlink_nodeagent.users.user import TaskUser, name_of

FOREVER = "exec sleep 100000"
Fault = Callable[[str], None]
"""Breaks what concerns the instance of a UID, until it is mended."""


class Place:
    """A server's data directory and what the API says of its instances."""

    def __init__(self, folder: Path, client: Client) -> None:
        self.folder, self.client = folder, client
        self.broken: set[str] = set()

    @contextlib.asynccontextmanager
    async def agent(self, name: str = "s1") -> AsyncIterator[Host]:
        """One that runs, and is then taken away; its instances go on."""
        uid = 65534 if os.geteuid() == 0 else os.geteuid()
        shared = TaskUser(name_of(uid), uid, uid if os.geteuid() == 0 else os.getegid())
        journal, path = Journal(self.folder / "instances"), os.environ["PATH"]
        host = assembled(name, journal, self.folder / "artifacts", None, Users(shared=shared), path=path)
        facts = machine.observe(self.folder, "127.0.0.1", {})
        running = asyncio.create_task(Agent(self.client, host, facts, time.monotonic, lambda: 1.0).run())
        try:
            yield host
            assert not running.done()
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def create(self, name: str, server: str = "s1") -> str:
        made = await self.client.create(ASSIGNMENT, assignment(server, name, FOREVER), "default")
        return str(made["metadata"]["uid"])

    async def stop(self, name: str) -> None:
        await self.client.patch(ASSIGNMENT, name, {"spec": {"desired": "Stopped"}}, "default")

    async def until(self, phase: str, *names: str) -> None:
        async with asyncio.timeout(60):
            while not await self._are(phase, names):
                await asyncio.sleep(0.05)

    async def _are(self, phase: str, names: Iterable[str]) -> bool:
        phases = await self.phases()
        return {phases.get(name) for name in names} == {phase}

    async def phases(self) -> dict[str, str]:
        items = [msgspec.json.decode(item) for item in (await self.client.list(ASSIGNMENT, "default")).items]
        return {item["metadata"]["name"]: item.get("status", {}).get("phase", "") for item in items}

    def record(self, uid: str) -> Path:
        return self.folder / "instances" / uid / "record.json"

    def runs(self, *uids: str) -> list[list[int]]:
        """The processes of each."""
        living = instances_below(self.folder)
        return [sorted(pid for pid, run in living.items() if run.startswith(f"{uid}/")) for uid in uids]


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
async def place(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(agents, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(agents, "RETRY_SECONDS", 0.05)
    _let_pass(tmp_path)
    made = Place(tmp_path, client)
    yield made
    kill(instances_below(tmp_path))


def refusing(place: Place, real: Callable[..., Any], error: int) -> Callable[..., Any]:
    """What does it, but not for a broken instance."""

    def act(directory: Path, *more: Any) -> Any:
        if directory.name in place.broken:
            raise OSError(error, os.strerror(error), str(directory))
        return real(directory, *more)

    return act


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS, errno.ENOSPC, errno.EPERM])
async def test_a_damaged_record_that_stays_where_it_is_holds_up_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    monkeypatch.setattr(journals, "_set_aside", refusing(place, journals._set_aside, error))
    names = ["lives", "stops", "ended", "sound"]
    async with place.agent():
        lives, stops, ended, sound = uids = [await place.create(name) for name in names]
        await place.until("Running", *names)
    before = place.runs(lives, stops, ended, sound)
    place.broken |= {lives, stops, ended}
    for uid in place.broken:
        place.record(uid).write_bytes(b"\0" * 100)
    kill(before[2])
    async with place.agent():
        new = await place.create("new")
        for name in ("sound", "stops"):
            await place.stop(name)
        await place.until("Running", "new")
        await place.until("Stopped", "sound", "stops")
        assert place.runs(*uids) == [before[0], [], [], []], "and nothing is started over a record that may tell more"
        await place.stop("new")
        await place.until("Stopped", "new")
        place.broken.clear()
        await soon(lambda: place.runs(ended)[0], "what has ended is started again")
        await soon(
            lambda: all((place.record(uid).parent / "record.unreadable").exists() for uid in (lives, ended)), "kept"
        )
        assert place.runs(lives, new) == [before[0], []]


async def test_an_instance_that_can_not_be_looked_at_holds_up_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory can't be read. It may live, so it is not started beside itself, and goes on when it can be."""
    monkeypatch.setattr(survivors, "last_run", refusing(place, layout.last_run, errno.EIO))
    async with place.agent():
        dark, _ = [await place.create(name) for name in ("dark", "sound")]
        await place.until("Running", "dark", "sound")
    before = place.runs(dark)
    place.broken.add(dark)
    place.record(dark).unlink()
    async with place.agent():
        await place.create("new")
        await place.stop("sound")
        await place.stop("dark")
        await place.until("Running", "new")
        await place.until("Stopped", "sound")
        assert place.runs(dark) == before and (await place.phases())["dark"] == "Running"
        place.broken.clear()
        await place.until("Stopped", "dark")
        assert place.runs(dark) == [[]]


async def test_a_record_that_is_nested_too_deep_is_damaged_like_any_other(place: Place) -> None:
    async with place.agent():
        deep = await place.create("deep")
        await place.until("Running", "deep")
    before = place.runs(deep)
    place.record(deep).write_bytes(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    async with place.agent():
        record = place.record(deep)
        await soon(lambda: record.is_file() and b'"run":1' in record.read_bytes(), "it is made again")
        assert place.runs(deep) == before and record.with_name("record.unreadable").exists()


async def test_all_are_stopped_but_those_that_can_not_be_looked_at(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survivors, "last_run", refusing(place, layout.last_run, errno.EIO))
    names = ["first", "second", "third"]
    async with place.agent():
        uids = [await place.create(name) for name in names]
        await place.until("Running", *names)
    for dark in uids:  # whichever comes first
        before = place.runs(*uids)
        place.broken = {dark}
        with pytest.raises(StillRunning, match=dark):
            await park_all(place.folder)
        after = place.runs(*uids)
        assert [one for one, uid in zip(after, uids, strict=True) if uid != dark] == [[], []]
        assert after[uids.index(dark)] == before[uids.index(dark)]
        place.broken.clear()
        async with place.agent():
            await soon(lambda: all(place.runs(*uids)), "all run again")


async def test_another_servers_instances_are_left_as_they_are(
    place: Place, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """They are neither stopped, started again, reported nor forgotten under another name, and adopted under theirs."""
    names = ["goes", "dies", "stops"]
    async with place.agent():
        uids = goes, dies, _ = [await place.create(name) for name in names]
        await place.until("Running", *names)
    before, records = place.runs(*uids), [place.record(uid).read_bytes() for uid in uids]
    phases = await place.phases()
    kill(before[1])
    await place.stop("stops")
    await client.delete(ASSIGNMENT, "goes", "default")
    async with place.agent("s2"):
        await place.create("new", "s2")
        await place.until("Running", "new")
        await soon(lambda: not place.runs(dies)[0], "it is dead")
        async with asyncio.timeout(60):
            while await orphans(client, "s2") != [f"default/{name}" for name in sorted(names)]:
                await asyncio.sleep(0.05)
        assert place.runs(*uids) == [before[0], [], before[2]]
        assert [place.record(uid).read_bytes() for uid in uids] == records
        now = await place.phases()
        assert {name: now[name] for name in ("dies", "stops")} == {name: phases[name] for name in ("dies", "stops")}
    events = [msgspec.json.decode(item) for item in (await client.list(EVENT, "default")).items]
    (told,) = [event["message"] for event in events if event["reason"] == "InstancesOfAnotherServer"]
    assert "the server s1" in told and "--name s1" in told and all(f"default/{name}" in told for name in names)
    assert caplog.text.count("holds instances of the server s1") == 1
    async with place.agent():
        await place.until("Stopped", "stops")
        await soon(lambda: not place.runs(goes)[0] and place.runs(dies)[0], "s1 goes on with what is its own")


async def orphans(client: Client, name: str) -> list[str]:
    found: list[str] = (await client.get(SERVER, name)).get("status", {}).get("orphans") or []
    return found


async def test_a_record_without_a_server_is_this_ones_and_says_so_from_then_on(place: Place) -> None:
    async with place.agent():
        uid = await place.create("old")
        await place.until("Running", "old")
    before, record = place.runs(uid), place.record(uid)
    known = json.loads(record.read_bytes())
    assert known.pop("server") == "s1" and known.pop("sum")
    record.write_text(json.dumps(known))
    async with place.agent():
        await soon(lambda: json.loads(record.read_bytes()).get("server") == "s1", "it is written down")
        assert place.runs(uid) == before
        await place.stop("old")
        await place.until("Stopped", "old")


def test_a_claim_that_can_not_be_removed_hides_none_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "FOLDER", tmp_path / "claims")
    numbers, stale, living = Range(70_000, 70_010), tmp_path / "stale", tmp_path / "living"
    (living / "instances" / "one").mkdir(parents=True)
    (stale / "instances" / "one").mkdir(parents=True)
    assert claims.take([Range(70_000, 70_004)], stale) and claims.take([Range(70_005, 70_010)], living)
    (stale / "instances" / "one").rmdir()
    monkeypatch.setattr(claims, "started", lambda _pid: 0)

    def stays(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", stays)
    assert not claims.take([numbers], tmp_path / "another")
