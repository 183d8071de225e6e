"""A journal that was damaged while the agent was away: what is declared runs once, and what lived lives on."""

import asyncio
import json
import os
import random
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.attack.agent_site import WAIT, AgentSite, agent_site, api_server
from tests.conftest import soon
from tests.crash.site import ApiServer, seed

from starlink.api.kinds import SERVER

LIVES = "echo begun; exec sleep 100000"
ENDS = "while test ! -e end; do sleep 0.05; done; exit 7"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture
async def site(tmp_path: Path, server: ApiServer) -> AsyncIterator[AgentSite]:
    async with agent_site(tmp_path, server) as made:
        yield made
        assert made.lives(), made.log()[-3000:]


def cut(instance: Path, rng: random.Random) -> None:
    path = instance / "record.json"
    os.truncate(path, rng.randrange(path.stat().st_size))


def flip(instance: Path, rng: random.Random) -> None:
    path = instance / "record.json"
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def garbage(instance: Path, rng: random.Random) -> None:
    (instance / "record.json").write_bytes(rng.randbytes(2000))


def zeros(instance: Path, rng: random.Random) -> None:
    path = instance / "record.json"
    path.write_bytes(bytes(path.stat().st_size))


def empty(instance: Path, rng: random.Random) -> None:
    (instance / "record.json").write_bytes(b"")


def missing(instance: Path, rng: random.Random) -> None:
    (instance / "record.json").unlink()


def folder(instance: Path, rng: random.Random) -> None:
    (instance / "record.json").unlink()
    (instance / "record.json" / "within").mkdir(parents=True)


def fifo(instance: Path, rng: random.Random) -> None:
    (instance / "record.json").unlink()
    os.mkfifo(instance / "record.json")


def link(instance: Path, rng: random.Random) -> None:
    (instance / "record.json").unlink()
    (instance / "record.json").symlink_to("/etc/passwd")


def nonsense(instance: Path, rng: random.Random) -> None:
    path = instance / "record.json"
    known = json.loads(path.read_bytes())
    known.pop("sum", None)
    path.write_text(json.dumps(known | rng.choice([{"run": -1}, {"uid": "x"}, {"name": "../x"}, {"phase": "Flying"}])))


def older(instance: Path, rng: random.Random) -> None:
    """As it was before there was a run."""
    path = instance / "record.json"
    known = json.loads(path.read_bytes())
    known.pop("sum", None)
    path.write_text(json.dumps(known | {"run": 0, "phase": "Preparing", "prepared": False, "user": None}))


def gone(instance: Path, rng: random.Random) -> None:
    """All of it, the directory too."""
    shutil.rmtree(instance)


def knows_first_run(site: AgentSite, uid: str) -> bool:
    record = site.data / "instances" / uid / "record.json"
    return record.is_file() and b'"run":1' in record.read_bytes()


Damage = Callable[[Path, random.Random], None]
DAMAGES: list[Damage] = [cut, flip, garbage, zeros, empty, missing, folder, fifo, link, nonsense, older, gone]


async def test_what_lives_is_adopted_whatever_the_record_says(site: AgentSite) -> None:
    chosen = seed()
    print(f"STARLINK_SEED={chosen}")
    rng = random.Random(chosen)
    names = [damage.__name__ for damage in DAMAGES]
    uids = {name: await site.create(name, LIVES, ports=[{"name": "main"}]) for name in names}
    for name in names:
        await site.until(name, phase="Running")
    before = {name: site.processes(uid) for name, uid in uids.items()}
    told = {name: await site.status(name) for name in names}
    for _ in range(2):
        site.kill()
        for damage in DAMAGES:
            instance = site.data / "instances" / uids[damage.__name__]
            if (instance / "record.json").is_file():  # what is gone stays so
                damage(instance, rng)
        site.start()
        for name in names:
            await soon(partial(knows_first_run, site, uids[name]), f"{name} is known", WAIT)
            assert site.processes(uids[name]) == before[name], f"{name} goes on, and nothing beside it"
            status = await site.until(name, phase="Running", ready=True, restarts=0)
            assert status["endpoints"] == told[name]["endpoints"]
    for name in names:
        if name != "gone":
            assert (site.data / "instances" / uids[name] / "logs" / "current.log").read_text() == "begun\n"
        await site.stop(name)
    for name in names:
        await site.until(name, phase="Stopped")
        assert site.processes(uids[name]) == {}


async def test_what_has_ended_meanwhile_is_told_or_starts_afresh(site: AgentSite) -> None:
    once = await site.create("once", ENDS, restart={"policy": "Never"})
    again = await site.create("again", LIVES)
    for name in ("once", "again"):
        await site.until(name, phase="Running")
    site.kill()
    (site.data / "instances" / once / "work" / "end").touch()
    for pid in sorted(site.processes(again)):
        os.kill(pid, 9)
    await soon(lambda: not site.processes(once) and not site.processes(again), "they have ended", WAIT)
    for uid in (once, again):
        garbage(site.data / "instances" / uid, random.Random(1))
    site.start()
    await site.until("once", phase="Exited", exitCode=7)
    await site.until("again", phase="Running")
    runs = await soon(lambda: {*site.processes(again).values()}, "it runs again", WAIT)
    assert runs == {f"{again}/2"}, "its number is past that of the run before"
    instance = site.data / "instances" / again
    log = instance / "logs" / "current.log"
    await soon(lambda: log.read_text() == "begun\nbegun\n", "both runs are in its log", WAIT)
    assert (instance / "record.unreadable").exists()


async def test_what_nobody_declares_is_kept_while_it_lives(site: AgentSite) -> None:
    lives = await site.create("lives", LIVES)
    stale = await site.create("stale", LIVES)
    for name in ("lives", "stale"):
        await site.until(name, phase="Running")
    site.kill()
    for uid, name in ((lives, "lives"), (stale, "stale")):
        empty(site.data / "instances" / uid, random.Random(1))
        await site.delete(name)
    for pid in site.processes(stale):
        os.kill(pid, 9)
    (site.data / "instances" / "not ours").mkdir()
    before = site.processes(lives)
    site.start()
    await site.gone(stale)

    async def orphans() -> list[str]:
        found: list[str] = (await site.client.get(SERVER, site.name)).get("status", {}).get("orphans") or []
        return found

    async with asyncio.timeout(WAIT):
        while await orphans() != [lives]:
            await asyncio.sleep(0.1)
    assert site.processes(lives) == before
    for pid in before:
        os.kill(pid, 9)
    await site.gone(lives)
    async with asyncio.timeout(WAIT):
        while await orphans():
            await asyncio.sleep(0.1)
    assert (site.data / "instances" / "not ours").is_dir()


async def test_one_that_is_to_stop_is_stopped_though_its_record_is_lost(site: AgentSite) -> None:
    uid = await site.create("stops", LIVES)
    lost = await site.create("lost", LIVES)
    for name in ("stops", "lost"):
        await site.until(name, phase="Running")
    site.kill()
    missing(site.data / "instances" / uid, random.Random(1))
    gone(site.data / "instances" / lost, random.Random(1))
    for name in ("stops", "lost"):
        await site.stop(name)
    site.start()
    for name, one in (("stops", uid), ("lost", lost)):
        await site.until(name, phase="Stopped")
        assert site.processes(one) == {}
