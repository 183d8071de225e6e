"""kill -9 of an agent under load, its disk full and its clock set now and then: what runs in the end is what is declared,
once each.

Three kills, or as many as STARLINK_CRASH_ROUNDS says; STARLINK_SEED repeats the choices of a run.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.attack.agent_site import AgentSite, agent_site, api_server
from tests.attack.clock import DAY, WallClock
from tests.conftest import instances_below, soon
from tests.crash.site import rounds, seed

ROUNDS = rounds()
MOST = 8
CHANGES = 6
SETTLE = 60.0

# Each instance holds a lock while it runs: one that finds it held writes down that there were two.
GUARD = "exec 9>>{lock}; flock -n 9 || {{ : >{lock}.twice; exit 1; }}; exec sleep 100000"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[AgentSite]:
    api = tmp_path / "api"
    with api_server(api) as server:
        (tmp_path / "site").mkdir()
        async with agent_site(tmp_path / "site", server) as made:
            yield made


@pytest.fixture
def clock(tmp_path: Path, site: AgentSite) -> WallClock:
    """That of the agent, from its next start on."""
    made = WallClock(tmp_path)
    site.environment = made.environment
    return made


class Load:
    """What is declared, changed at random: UIDs by name, and the names of those that are to stop."""

    def __init__(self, site: AgentSite, clock: WallClock, rng: random.Random) -> None:
        self._site, self._clock, self._rng = site, clock, rng
        self.locks = site.folder / "locks"
        self.locks.mkdir()
        self.locks.chmod(0o777)
        self.declared: dict[str, str] = {}
        self.stopped: set[str] = set()
        self._made = 0

    async def change(self) -> None:
        running = sorted(self.declared.keys() - self.stopped)
        what = self._rng.choice(["create", "create", "stop", "delete", "end", "fill", "free", "clock"])
        if what == "create" and len(self.declared) < MOST:
            self._made += 1
            name = f"n{self._made}"
            self.declared[name] = await self._site.create(name, GUARD.format(lock=self.locks / name))
        elif what == "stop" and running:
            name = self._rng.choice(running)
            await self._site.stop(name)
            self.stopped.add(name)
        elif what == "delete" and self.declared:
            name = self._rng.choice(sorted(self.declared))
            await self._site.delete(name)
            del self.declared[name]
            self.stopped.discard(name)
        elif what == "end":
            found = sorted(instances_below(self._site.disk.place))
            for pid in self._rng.sample(found, min(1, len(found))):
                os.kill(pid, signal.SIGKILL)
        elif what == "fill":
            self._site.disk.fill()
        elif what == "free":
            self._site.disk.free()
        elif what == "clock":
            self._clock.jump(self._rng.choice([-9, 0, 9]) * DAY)
        await asyncio.sleep(self._rng.random() * 0.2)  # a random moment, not a wait for anything

    def settled(self) -> bool:
        """One run of each that is to run, and nothing of others; the disk holds what runs and nothing that is not
        declared. What was stopped before the agent heard of it has no directory."""
        runs = set(instances_below(self._site.disk.place).values())
        wanted = Counter(uid for name, uid in self.declared.items() if name not in self.stopped)
        lie = {path.name for path in (self._site.data / "instances").iterdir()}
        running = Counter(run.partition("/")[0] for run in runs)
        return running == wanted and wanted.keys() <= lie <= {*self.declared.values()}


@pytest.mark.timeout(180 + 30 * ROUNDS)
async def test_what_is_declared_runs_whatever_was_killed_and_full(site: AgentSite, clock: WallClock) -> None:
    chosen = seed()
    print(f"STARLINK_SEED={chosen}")
    load = Load(site, clock, random.Random(chosen))
    for _ in range(ROUNDS):
        await site.ready()
        for _ in range(CHANGES):
            await load.change()
        site.kill()
        for _ in range(2):
            await load.change()
        site.start()
    await site.ready()
    for _ in range(CHANGES):
        await load.change()
    site.disk.free()
    await soon(load.settled, f"what runs is what is declared (STARLINK_SEED={chosen})", SETTLE)
    for name in load.declared:
        await site.until(name, phase="Stopped" if name in load.stopped else "Running")
    assert [path.name for path in load.locks.iterdir() if path.name.endswith("twice")] == []
    print(f"{ROUNDS} kills of the agent, {load._made} instances, {len(load.declared)} at the end")
