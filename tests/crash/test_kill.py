"""kill -9 at random under load: no acknowledged write and no event is lost, on either store.

Three rounds on each, or as many as STARLINK_CRASH_ROUNDS says; STARLINK_SEED repeats the choices of a run.
"""

import random
from collections import defaultdict
from pathlib import Path

import pytest
from tests.crash.site import EtcdSite, Site, SqliteSite, rounds, seed
from tests.crash.trial import running

ROUNDS = rounds()
LONGEST = 60.0


@pytest.mark.timeout(180 + 60 * ROUNDS)
@pytest.mark.parametrize("store", ["sqlite", "etcd"])
async def test_nothing_is_lost_when_something_is_killed(tmp_path: Path, store: str) -> None:
    chosen = seed()
    print(f"STARLINK_SEED={chosen}")
    rng = random.Random(chosen)
    site: Site = SqliteSite(tmp_path) if store == "sqlite" else EtcdSite(tmp_path)
    waits: dict[str, list[float]] = defaultdict(list)
    try:
        async with running(site, rng, watchers=8) as trial:
            for _ in range(ROUNDS):
                what, waited = await trial.round(rng)
                waits[what].append(waited)
        complaints = [line for server in site.servers for line in server.complaints()]
        if isinstance(site, EtcdSite):
            assert site.unsealed() == []
    finally:
        site.stop()
    shared = trial.shared
    resumed = sum(watcher.resumed for watcher in trial.watchers)
    print(
        f"{store}: {ROUNDS} rounds, {shared.acknowledged} writes acknowledged, {shared.doubtful} in doubt or refused,"
    )
    print(
        f"  {trial.events} events told to each of {len(trial.watchers)} watchers, who asked {resumed} times to resume"
    )
    for what, seconds in sorted(waits.items()):
        median = sorted(seconds)[len(seconds) // 2]
        print(f"  {what} killed {len(seconds)}x: writes back after {median:.2f} s, at most {max(seconds):.2f} s")
    assert complaints == []
    assert max(map(max, waits.values())) < LONGEST


async def test_the_loss_of_the_leader_is_no_loss_to_ten_watchers(tmp_path: Path) -> None:
    chosen = seed()
    print(f"STARLINK_SEED={chosen}")
    rng = random.Random(chosen)
    site = EtcdSite(tmp_path, count=1)
    try:
        async with running(LeaderOnly(site), rng, watchers=10, writers=8) as trial:
            _, waited = await trial.round(rng)
    finally:
        site.stop()
    print(f"the leader killed: writes back after {waited:.2f} s; {trial.events} events told to each of ten watchers")
    assert waited < LONGEST


class LeaderOnly:
    """An etcd of which only the leader is killed."""

    def __init__(self, site: EtcdSite) -> None:
        self._site = site
        self.servers = site.servers
        self._leader = -1

    def kill(self, rng: random.Random) -> str:
        self._leader = self._site.etcd.leader()
        self._site.etcd.kill(self._leader)
        return "leader"

    def restart(self) -> None:
        self._site.etcd.restart(self._leader)

    def stop(self) -> None:
        self._site.stop()
