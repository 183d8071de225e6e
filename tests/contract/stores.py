"""What the tests of all stores share: two keys, a write, and the events of a watch."""

import asyncio

from tests.conftest import soon

from starlink.store.base import Event, Expired, Key, Record, Store, StoreUnavailable, Watch

A, B = Key("g/things", "ns", "a"), Key("g/things", "ns", "b")


async def take(watch: Watch, count: int) -> list[Event]:
    """The next events of a watch, `count` or a few more."""
    found: list[Event] = []
    async with asyncio.timeout(5):
        async for batch in watch:
            found += batch
            if len(found) >= count:
                return found
    raise AssertionError("the watch ended")


async def put(store: Store, key: Key, body: bytes) -> Record:
    """Creates or changes an object, whatever it is at."""
    current = store.latest(key)
    return await store.put(key, body, expect=current.revision if current else 0)


class Collector:
    """Gathers the events of a watch, by a task of its own: it has them some turns of the loop after the store."""

    def __init__(self, watch: Watch) -> None:
        self.events: list[Event] = []
        self.end: Exception | None = None
        self._task = asyncio.create_task(self._run(watch))

    async def _run(self, watch: Watch) -> None:
        try:
            async for batch in watch:
                self.events += batch
        except (Expired, StoreUnavailable) as error:
            self.end = error

    @property
    def revisions(self) -> list[int]:
        return [event.record.revision for event in self.events]

    async def reaches(self, revision: int) -> None:
        """Waits until it was told the event of a revision, or a later one."""
        await soon(lambda: self.revisions[-1:] >= [revision], f"the event of revision {revision}")

    async def ends(self) -> None:
        """Waits until the watch has ended."""
        await soon(lambda: self.end is not None, "the end of the watch")
