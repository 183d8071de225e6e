"""Waking those who watch, and only those whom an event may concern."""

import asyncio
import contextlib
import gc

import pytest

from starlink.store.base import Change, Event, Expired, Key, Record, StoreUnavailable, Topic
from starlink.store.eventlog import Log, Subscription
from starlink.store.history import History

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


class Parities:
    """A field of the events above, odd or even, that counts how often it is asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def of(self, value: str) -> Topic:
        return Topic("parity", value, self._values)

    def _values(self, event: Event) -> tuple[str]:
        self.asked.append(event.record.revision)
        return ("odd" if event.record.revision % 2 else "even",)


async def test_an_event_wakes_only_those_of_its_topic() -> None:
    history, parities = History(), Parities()
    told: list[str] = []

    async def watch(parity: str) -> None:
        await history.watch(THINGS, None, 0, parities.of(parity)).wait()
        told.append(parity)

    tasks = [asyncio.create_task(watch(parity)) for parity in ("odd", "even") * 20]
    everything = history.watch(THINGS, None, 0)
    await asyncio.sleep(0)
    history.publish([_event(1)])
    async with asyncio.timeout(10):
        await everything.wait()
        while len(told) < 20:
            await asyncio.sleep(0)
    history.publish([_event(3)])  # whatever was due is woken before the waking that this one brings
    async with asyncio.timeout(10):
        everything.take()
        await everything.wait()
    assert told == ["odd"] * 20
    assert parities.asked == [1, 3]
    history.close()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)


async def test_topics_are_kept_while_somebody_watches_one() -> None:
    history, parities = History(kept=8), Parities()
    history.publish([_event(1), _event(2)])
    assert not parities.asked
    watcher = history.watch(THINGS, None, 1, parities.of("even"))
    assert [event.record.revision for event in watcher.take()] == [2]
    for revision in range(3, 100):
        history.publish([_event(revision)])
        assert [event.record.revision for event in watcher.take()] == [revision][: revision % 2 == 0]
    assert parities.asked == list(range(1, 100))
    watcher.close()
    del watcher
    history.publish([_event(revision) for revision in range(100, 120)])
    history.publish([_event(120)])
    assert parities.asked == list(range(1, 120))


async def test_a_watch_of_a_value_that_has_no_events_any_more_is_told_of_the_next() -> None:
    history, parities = History(kept=8), Parities()
    watcher = history.watch(THINGS, None, 0, parities.of("odd"))
    history.publish([_event(revision) for revision in range(2, 100, 2)])
    history.publish([_event(101)])
    assert [event.record.revision for event in watcher.take()] == [101]


async def test_what_a_field_can_not_be_read_of_reaches_the_others() -> None:
    def refuse(_: Event) -> tuple[str]:
        raise ValueError("no JSON")

    history = History()
    by_field = history.watch(THINGS, None, 0, Topic("broken", "x", refuse))
    everything = history.watch(THINGS, None, 0)
    history.publish([_event(1)])
    assert [event.record.revision for event in everything.take()] == [1]
    assert not by_field.take()


async def test_the_end_reaches_those_who_watch_a_topic() -> None:
    history, parities = History(), Parities()
    watcher = history.watch(THINGS, None, 0, parities.of("odd"))
    history.close()
    for one in (watcher, history.watch(THINGS, None, 0, parities.of("even"))):
        with pytest.raises(StoreUnavailable):
            one.take()


def _large(revision: int, size: int, resource: str = THINGS) -> Event:
    return Event(Change.PUT, Record(Key(resource, "default", "t"), revision, b"x" * size), None)


def _kept(history: History, resource: str = THINGS) -> list[int]:
    """The revisions that are kept, which a watch from the oldest of them is told."""
    for since in range(1000):
        with contextlib.suppress(Expired):
            return [event.record.revision for event in history.watch(resource, None, since).take()]
    raise AssertionError("nothing is kept")


def test_large_bodies_are_kept_up_to_their_bytes() -> None:
    history = History(kept=100, most_bytes=1_000)
    for revision in range(1, 51):
        history.publish([_large(revision, 100)])
        assert sum(100 for _ in _kept(history)) <= 1_000 * 9 // 8
    assert 8 <= len(_kept(history)) <= 11
    for revision in range(51, 61):
        history.publish([_large(revision, 10)])
    assert _kept(history)[-10:] == list(range(51, 61))


def test_the_newest_is_kept_however_large_it_is() -> None:
    history = History(kept=100, most_bytes=1_000)
    for revision in range(1, 10):
        history.publish([_large(revision, 5_000)])
        assert _kept(history) == [revision]


def test_what_nobody_watches_and_nothing_happened_to_is_forgotten() -> None:
    """Each kind that came and went would leave a log."""
    history = History(kept=8)
    watcher = history.watch("watched", None, 0)
    for revision in range(1, 200):
        history.publish([_large(revision, 1, f"kind-{revision}")])
        history.after(f"asked-{revision}", revision)
    assert logs_of(history) <= 8 + 8 // 8 + 3
    history.publish([_large(200, 1, "watched")])
    assert [event.record.revision for event in watcher.take()] == [200]


def logs_of(history: History) -> int:
    gc.collect()
    return sum(isinstance(found, Log) for found in gc.get_objects() if getattr(found, "_call", None) == history._call)


def test_those_who_watch_an_empty_log_hear_of_the_end() -> None:
    history = History()
    watcher = history.watch("nothing", None, 0)
    history.close()
    with pytest.raises(StoreUnavailable):
        watcher.take()
