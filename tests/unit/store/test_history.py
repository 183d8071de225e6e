"""Waking those who watch."""

import asyncio

from starlink.store.base import Change, Event, Key, Record
from starlink.store.history import History, Subscription

THINGS = "things"


def _event(revision: int) -> Event:
    key = Key(THINGS, "default", f"t-{revision}")
    return Event(Change.PUT, Record(key, revision, b"{}"), None)


async def test_the_loop_has_turns_of_its_own_while_many_are_woken() -> None:
    history = History()
    told: list[int] = []

    async def watch(watcher: Subscription) -> None:
        await watcher.wait()
        assert [event.record.revision for event in watcher.take()] == [1]
        told.append(1)

    tasks = [asyncio.create_task(watch(history.watch(THINGS, "default", 0))) for _ in range(100)]
    await asyncio.sleep(0)
    history.publish([_event(1)])
    seen: list[int] = []
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        seen.append(len(told))
    assert len(told) == 100
    assert len({count for count in seen if 0 < count < 100}) >= 5, seen


async def test_an_event_between_two_wakings_waits_for_the_second_and_is_told() -> None:
    history = History()
    watcher = history.watch(THINGS, None, 0)
    waiting = asyncio.create_task(watcher.wait())
    await asyncio.sleep(0)
    history.publish([_event(1)])
    history.publish([_event(2)])
    await waiting
    assert [event.record.revision for event in watcher.take()] == [1, 2]
    again = asyncio.create_task(watcher.wait())
    await asyncio.sleep(0)
    history.publish([_event(3)])
    async with asyncio.timeout(10):
        await again
    assert [event.record.revision for event in watcher.take()] == [3]
