"""Rounds of one kill each: load, kill, restart, load, stand still, compare."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from tests.conftest import soon
from tests.crash.ledger import Seen, State, check_acks, check_origin, replay
from tests.crash.site import Site
from tests.crash.world import CONFIG_MAP, KINDS, SECRET, Shared, Watcher, Writer, listed

from starlink.api.kinds import Kind
from starlink.client.errors import ClientError

WRITERS = 32
SETTLE = 60.0


class _Differs(Exception):
    """What is listed is not what was told, yet."""


@dataclass
class Trial:
    """Writers and watchers over one site. `states` is what watchers held after the last round."""

    site: Site
    shared: Shared
    writers: Sequence[Writer]
    watchers: Sequence[Watcher]
    states: dict[Kind, State] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    since: dict[Kind, int] = field(default_factory=dict)
    events: int = 0

    async def round(self, rng: random.Random) -> tuple[str, float]:
        """One kill under load; gives what was killed, and how long each writer then waited at most."""
        self.shared.open.set()
        await asyncio.sleep(rng.uniform(0.2, 1.2))
        moment = time.monotonic()
        what = await asyncio.to_thread(self.site.kill, rng)
        await asyncio.sleep(rng.choice((0.0, 0.3, 1.0)))
        await asyncio.to_thread(self.site.restart)
        restarted = time.monotonic()
        await self._soon(lambda: all(w.times and w.times[-1] > restarted for w in self.writers), "writes by all")
        await self.stand_still()
        return what, max(writer.back_after(moment) for writer in self.writers)

    async def _soon(self, check: Callable[[], bool], what: str) -> None:
        await soon(lambda: self.shared.failures or check(), what, SETTLE)
        assert not self.shared.failures, self.shared.failures

    async def stand_still(self) -> None:
        """Lets the writers finish what they ask, and compares."""
        self.shared.open.clear()
        for writer in self.writers:
            await writer.idle.wait()
        for kind in KINDS:
            await self._compare(kind)
        assert not self.shared.failures, self.shared.failures

    async def _compare(self, kind: Kind) -> None:
        ledger = self.shared.ledgers[kind]
        watchers = [watcher for watcher in self.watchers if watcher.kind is kind]
        last = await next(writer for writer in self.writers if writer.kind is kind).mark()
        await self._soon(lambda: all(watcher.revision >= last for watcher in watchers), "watchers to be told all")
        until = await self._agreed(kind, watchers, last)
        told = [event for event in watchers[0].events if event.revision <= until]
        for watcher in watchers:
            assert [event for event in watcher.events if event.revision <= until] == told
            del watcher.events[: len(told)]
        check_acks(told, ledger.acks)
        check_origin(told, ledger.attempts)
        self.states[kind] = replay(self.states[kind], self.since[kind], told)
        self.since[kind] = until
        self.events += len(told)
        ledger.acks.clear()

    async def _agreed(self, kind: Kind, watchers: Sequence[Watcher], last: int) -> int:
        """Waits until every server lists what every watcher has derived; gives the revision of that."""
        end = time.monotonic() + SETTLE
        while True:
            try:
                return await self._agreement(kind, watchers, last)
            except (ClientError, _Differs) as problem:
                assert not self.shared.failures, self.shared.failures
                assert time.monotonic() < end, f"{kind.plural}: {problem}"
            await asyncio.sleep(0.05)

    async def _agreement(self, kind: Kind, watchers: Sequence[Watcher], last: int) -> int:
        lists = [await listed(config, kind, last) for config in self.shared.configs]
        until = max(revision for _, revision in lists)
        derived = [self._derived(kind, watcher.events, until) for watcher in watchers]
        for held in (*(held for held, _ in lists), *derived):
            if held != derived[0]:
                raise _Differs(f"at {until} there is {set(held.items()) ^ set(derived[0].items())} in one place only")
        return until

    def _derived(self, kind: Kind, events: Sequence[Seen], until: int) -> State:
        chosen = [event for event in events if event.revision <= until]
        return replay(self.states[kind], self.since[kind], chosen)


@contextlib.asynccontextmanager
async def running(site: Site, rng: random.Random, watchers: int, writers: int = WRITERS) -> AsyncIterator[Trial]:
    """Every fourth writer and watcher is of Secrets, the others of ConfigMaps; some watches last a second."""
    shared = Shared([server.config() for server in site.servers])
    since = {kind: (await listed(shared.configs[0], kind, 0))[1] for kind in KINDS}
    kinds = (CONFIG_MAP, CONFIG_MAP, CONFIG_MAP, SECRET)
    made = [Writer(shared, n, kinds[n % 4], random.Random(rng.random())) for n in range(writers)]
    seen = [
        Watcher(shared, kinds[n % 4], since[kinds[n % 4]], (600, 1, 600, 3)[n % 4], random.Random(rng.random()))
        for n in range(watchers)
    ]
    tasks = [asyncio.create_task(run) for run in (*(w.run() for w in made), *(w.run() for w in seen))]
    trial = Trial(site, shared, made, seen, since=since)
    try:
        yield trial
        for task in tasks:
            assert not task.done() or task.exception() is None, task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
