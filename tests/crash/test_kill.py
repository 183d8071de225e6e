"""kill -9 at random under load: no acknowledged write and no event is lost, on either store.

Three rounds on each, or as many as STARLINK_CRASH_ROUNDS says; STARLINK_SEED repeats the choices of a run.
"""

import functools
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.crash import site as sites
from tests.crash.site import EtcdSite, Site, SqliteSite, rounds, seed
from tests.crash.trial import running

ROUNDS = rounds()
LONGEST = 60.0
SITES: dict[str, Callable[[Path], Site]] = {
    "sqlite": SqliteSite,
    "etcd": EtcdSite,
    "leader": functools.partial(EtcdSite, count=1, killed=("leader",)),
}


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Ends with the test, whatever becomes of its coroutine."""
    made = SITES[request.param](tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.timeout(180 + 60 * ROUNDS)
@pytest.mark.parametrize("site", ["sqlite", "etcd"], indirect=True)
async def test_nothing_is_lost_when_something_is_killed(site: Site) -> None:
    chosen = seed()
    print(f"STARLINK_SEED={chosen}")
    rng = random.Random(chosen)
    waits: dict[str, list[float]] = defaultdict(list)
    async with running(site, rng, watchers=8) as trial:
        for _ in range(ROUNDS):
            what, waited = await trial.round(rng)
            waits[what].append(waited)
    shared = trial.shared
    resumed = sum(watcher.resumed for watcher in trial.watchers)
    print(f"{ROUNDS} rounds, {shared.acknowledged} writes acknowledged, {shared.doubtful} in doubt or refused,")
    print(
        f"  {trial.events} events told to each of {len(trial.watchers)} watchers, who asked {resumed} times to resume"
    )
    for what, seconds in sorted(waits.items()):
        median = sorted(seconds)[len(seconds) // 2]
        print(f"  {what} killed {len(seconds)}x: writes back after {median:.2f} s, at most {max(seconds):.2f} s")
    assert site.complaints() == []
    assert max(map(max, waits.values())) < LONGEST


@pytest.mark.parametrize("site", ["leader"], indirect=True)
async def test_the_loss_of_the_leader_is_no_loss_to_ten_watchers(site: Site) -> None:
    chosen = seed()
    print(f"STARLINK_SEED={chosen}")
    rng = random.Random(chosen)
    async with running(site, rng, watchers=10, writers=8) as trial:
        _, waited = await trial.round(rng)
    print(f"the leader killed: writes back after {waited:.2f} s; {trial.events} events told to each of ten watchers")
    assert waited < LONGEST


def running_on(folder: Path) -> list[str]:
    """The processes that were told of something below the folder."""
    commands = [(path, path.read_bytes()) for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [f"{path}: {command!r}" for path, command in commands if str(folder).encode() in command]


def test_a_server_that_does_not_come_up_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "START_SECONDS", 0.0)
    with pytest.raises(pytest.fail.Exception, match="the API server did not start"):
        SqliteSite(tmp_path)
    assert (tmp_path / "api" / "log").exists() and running_on(tmp_path) == []


def test_nothing_is_started_after_the_end(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path)
    assert len(running_on(tmp_path)) == 1
    site.stop()
    with pytest.raises(RuntimeError, match="nothing is started any more"):
        site.restart()
    assert running_on(tmp_path) == []
