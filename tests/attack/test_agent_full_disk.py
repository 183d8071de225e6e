"""An agent with a full disk, or without a free descriptor.

What is to stop stops meanwhile, what ended is told, what starts waits and says why, and with room again all of it is as
declared, by the same agent.
"""

import hashlib
import io
import os
import random
import resource
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.attack.agent_site import WAIT, AgentSite, agent_site, api_server
from tests.conftest import soon
from tests.crash.site import ApiServer
from tests.unit.artifacts.packages import zipped

LIVES = "exec sleep 100000"
UNTIL = "while test ! -e end; do sleep 0.05; done; exit 7"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture
async def site(tmp_path: Path, server: ApiServer) -> AsyncIterator[AgentSite]:
    async with agent_site(tmp_path, server) as made:
        yield made
        assert made.lives(), made.log()[-3000:]


def work(site: AgentSite, uid: str) -> Path:
    return site.data / "instances" / uid / "work"


def record(site: AgentSite, uid: str) -> str:
    path = site.data / "instances" / uid / "record.json"
    return path.read_text() if path.exists() else ""


async def test_everything_goes_on_and_starts_wait(site: AgentSite) -> None:
    """The points of a life that a full disk can meet, all at once."""
    stays = await site.create("stays", LIVES)
    stops = await site.create("stops", LIVES)
    goes = await site.create("goes", LIVES)
    dies = await site.create("dies", LIVES)
    once = await site.create("once", UNTIL, restart={"policy": "Never"})
    unready = await site.create(
        "unready", LIVES, probes={"readiness": {"exec": {"command": ["test", "!", "-e", "end"]}, "period": "100ms"}}
    )
    for name in ("stays", "stops", "goes", "dies", "once", "unready"):
        await site.until(name, phase="Running", ready=True)
    before = site.processes(stays)
    site.disk.fill()
    for uid in (once, unready):
        (work(site, uid) / "end").touch()  # which takes no room on this file system

    # At the end of a run, while it runs, at a restart, at a stop, at a removal, before the first start.
    os.kill(max(site.processes(dies)), 9)
    await site.stop("stops")
    late = await site.create("late", LIVES)
    given_up = await site.create("given-up", LIVES)
    await site.until("once", phase="Exited", exitCode=7)
    await site.until("stops", phase="Stopped")
    await site.until("unready", phase="Running", ready=False)
    waits = await site.until("dies", phase="Starting", reason="DiskFull")
    assert waits["restarts"] == 1 and str(site.data) in waits["message"] and "goes on by itself" in waits["message"]
    for name in ("late", "given-up"):
        await site.until(name, reason="DiskFull")
    await site.stop("given-up")
    await site.until("given-up", phase="Stopped")
    await soon(lambda: not any(site.processes(uid) for uid in (stops, once, given_up)), "they have ended", WAIT)
    assert site.processes(stays) == before
    assert site.processes(dies) == site.processes(late) == {}
    await site.delete("goes")
    await site.gone(goes)

    site.disk.free()
    for name in ("late", "dies"):
        await site.until(name, phase="Running", ready=True, restarts=1 if name == "dies" else 0)
    await soon(lambda: '"phase":"Stopped"' in record(site, stops), "the journal says so, too", WAIT)
    await soon(lambda: '"phase":"Exited"' in record(site, once), "the journal says so, too", WAIT)
    await soon(lambda: len(site.processes(late)) == len(site.processes(dies)) == 2, "they run once", WAIT)
    assert site.processes(stays) == before and site.starts == 1
    assert site.processes(unready)


def archive(site: AgentSite, size: int) -> dict[str, Any]:
    """An artifact that holds a file of so many random bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as made:
        info = tarfile.TarInfo("data")
        info.size = size
        made.addfile(info, io.BytesIO(os.urandom(size)))
    (site.artifacts / "a.tar.gz").write_bytes(content.getvalue())
    return {"url": "file:a.tar.gz", "sha256": hashlib.sha256(content.getvalue()).hexdigest()}


async def test_an_artifact_without_room_is_waited_for_and_a_bad_one_fails(site: AgentSite) -> None:
    large = archive(site, 1_200_000)
    await soon(lambda: (site.data / "instances").exists(), "the agent is there", WAIT)
    ballast = site.disk.place / "half"
    ballast.write_bytes(bytes(2_500_000))  # the archive finds room, and what is in it does not
    unpacked = await site.create("unpacked", LIVES, artifact=large)
    told = await site.until("unpacked", phase="Preparing", reason="DiskFull")
    assert "make room there" in told["message"]
    (site.artifacts / "b.tar.gz").write_bytes(b"no archive")
    digest = hashlib.sha256(b"no archive").hexdigest()
    await site.create("corrupt", LIVES, artifact={"url": "file:b.tar.gz", "sha256": digest})
    await site.until("corrupt", phase="Failed", reason="ArtifactCorrupt")
    ballast.unlink()
    await site.until("unpacked", phase="Running")
    assert (work(site, unpacked) / "data").stat().st_size == 1_200_000


async def test_a_kill_of_the_agent_while_the_disk_is_full(site: AgentSite) -> None:
    """The journal is older than the truth by then: the next agent finds what runs, and how the rest ended."""
    stays = await site.create("stays", LIVES)
    again = await site.create("again", LIVES)
    once = await site.create("once", UNTIL, restart={"policy": "Never"})
    goes = await site.create("goes", LIVES)
    for name in ("stays", "again", "once", "goes"):
        await site.until(name, phase="Running")
    site.disk.fill()
    before = site.processes(stays)
    os.kill(max(site.processes(again)), 9)
    await site.until("again", phase="Starting", reason="DiskFull")
    site.kill()
    (work(site, once) / "end").touch()
    await site.delete("goes")
    await soon(lambda: not site.processes(once), "it has ended", WAIT)
    site.start()
    assert (await site.until("once", phase="Exited"))["exitCode"] == 7
    await site.gone(goes)
    assert site.processes(stays) == before
    site.kill()
    site.start()
    site.disk.free()
    await site.until("again", phase="Running")
    await site.gone(goes)
    await soon(lambda: len(site.processes(again)) == 2, "it runs again, once", WAIT)
    assert site.processes(stays) == before and not site.processes(once)


async def test_an_agent_without_descriptors(site: AgentSite) -> None:
    stays = await site.create("stays", LIVES)
    stops = await site.create("stops", LIVES)
    dies = await site.create("dies", LIVES)
    for name in ("stays", "stops", "dies"):
        await site.until(name, phase="Running")
    before = site.processes(stays)
    open_files = max(map(int, os.listdir(f"/proc/{site.pid}/fd"))) + 1
    hard = resource.prlimit(site.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(site.pid, resource.RLIMIT_NOFILE, (open_files, hard))
    os.kill(max(site.processes(dies)), 9)
    await site.stop("stops")
    await soon(lambda: not site.processes(stops), "a stop needs no descriptor", WAIT)
    late = await site.create("late", LIVES)
    await site.until("late", reason="OutOfFiles")
    resource.prlimit(site.pid, resource.RLIMIT_NOFILE, (hard, hard))
    await site.until("stops", phase="Stopped")
    for name in ("late", "dies"):
        await site.until(name, phase="Running")
    assert site.processes(stays) == before
    await soon(lambda: len(site.processes(late)) == len(site.processes(dies)) == 2, "they run once", WAIT)
    await site.until("dies", restarts=1)


async def test_logs_keep_to_their_bounds_where_nothing_can_be_copied(site: AgentSite) -> None:
    uid = await site.create("talks", "while :; do head -c 20000 /dev/zero; sleep 0.05; done", logs={"maxSize": "64Ki"})
    await site.until("talks", phase="Running")
    folder = site.data / "instances" / uid / "logs"
    await soon(lambda: (folder / "current.log").stat().st_size > 0, "it has said something", WAIT)
    site.disk.fill()
    site.disk.free()
    await soon(lambda: (folder / "1.log").exists(), "it was rotated", WAIT)
    assert (folder / "1.log").stat().st_size <= 64 * 1024 * 5 / 4


async def test_archives_that_nobody_uses_make_room_on_a_full_disk(site: AgentSite) -> None:
    """And those that somebody uses stay."""
    uids = {}
    for name in ("stays", "goes"):
        content = zipped({"start.sh": b"#!/bin/sh\nexec sleep 100000\n", name: random.Random(name).randbytes(700_000)})
        (site.artifacts / name).write_bytes(content)
        body = {"url": f"file:{name}", "sha256": hashlib.sha256(content).hexdigest()}
        uids[name] = await site.create(name, "exec sleep 100000", artifact=body)
        await site.until(name, phase="Running")
    await site.delete("goes")
    await site.gone(uids["goes"])
    kept = {path.name for path in (site.data / "artifacts").iterdir()}
    site.disk.fill()
    await site.create("late", "exec sleep 100000")
    await site.until("late", phase="Running")
    left = {path.name for path in (site.data / "artifacts").iterdir()}
    assert left < kept and left == {hashlib.sha256((site.artifacts / "stays").read_bytes()).hexdigest()}
