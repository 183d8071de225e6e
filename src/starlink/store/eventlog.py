"""A log of events that many read, each from its own place.

A watcher holds no events, only its place in the log that all share: a slow one costs no memory, and is cut off when
the log no longer reaches back to its place.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from starlink.store.base import Event, Expired, StoreUnavailable

_MOST_AT_ONCE = 500


class Log:
    """The kept events of one resource, or some of them, in order. `first` is the number, since the beginning, of the
    oldest; `ended` says why no more will come. `call` has those who wait woken."""

    __slots__ = ("__weakref__", "_asked", "_call", "_part", "_waiting", "ended", "events", "first")

    def __init__(self, call: "Callable[[Log], None]", ended: Exception | None = None) -> None:
        self.events: list[Event] = []
        self.first = 0
        self.ended = ended
        self._call = call
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._asked: tuple[int, int, str | None] = (0, 0, None)
        self._part: tuple[int, Sequence[Event]] = (0, [])

    @property
    def end(self) -> int:
        return self.first + len(self.events)

    def place_after(self, revision: int) -> int:
        """The number of the first event after a revision."""
        return self.first + bisect_right(self.events, revision, key=lambda event: event.record.revision)

    def drop_to(self, revision: int) -> None:
        """Forgets the events up to a revision."""
        count = self.place_after(revision) - self.first
        del self.events[:count]
        self.first += count

    def part(self, place: int, namespace: str | None) -> tuple[int, Sequence[Event]]:
        """How many events follow a place, up to a limit, and those of a namespace among them. Many ask for the same one
        after another."""
        asked = (place, self.end, namespace)
        if asked != self._asked:
            start = place - self.first
            events = self.events[start : start + _MOST_AT_ONCE]
            told = events if namespace is None else [one for one in events if one.record.key.namespace == namespace]
            self._asked, self._part = asked, (len(events), told)
        return self._part

    @property
    def awaited(self) -> bool:
        return bool(self._waiting)

    async def wait(self, waiter: "asyncio.Future[None]", *, soon: bool) -> None:
        """Returns when `waiter` is done, which `wake` does too; `soon`: at the next waking, without another event."""
        self._waiting[waiter] = None
        try:
            if soon:
                self._call(self)
            await waiter
        finally:
            self._waiting.pop(waiter, None)

    def release(self) -> Iterable["asyncio.Future[None]"]:
        """Those who wait, to be woken by the caller."""
        waiting, self._waiting = self._waiting, {}
        return waiting

    def wake(self) -> None:
        for waiter in self.release():
            wake(waiter)


def wake(waiter: "asyncio.Future[None]") -> None:
    """Has who waits go on, once."""
    if not waiter.done():
        waiter.set_result(None)


class Subscription:
    """A Watch: a place in a log. It holds no more than that, and so it may be forgotten without being closed."""

    def __init__(self, log: Log, namespace: str | None, since: int) -> None:
        self.log = log
        self._namespace = namespace
        self._since = since
        self._place = log.place_after(since)
        self._waiter: asyncio.Future[None] | None = None
        self._ended: Exception | None = None

    @property
    def behind(self) -> int:
        return self.log.end - self._place

    def take(self) -> Sequence[Event]:
        log = self.log
        ended = self._ended or log.ended
        if ended is not None and (not self.behind or isinstance(ended, Expired)):
            raise ended
        if self._place < log.first:
            raise Expired("the watcher fell too far behind: its next event is no longer kept; list again")
        taken, events = log.part(self._place, self._namespace)
        self._place += taken
        if events and events[0].record.revision <= self._since:  # told by a server that is ahead of this one
            events = [event for event in events if event.record.revision > self._since]
        return events

    async def wait(self) -> None:
        if self._ended is not None or self.log.ended is not None:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        await self.log.wait(self._waiter, soon=self.behind > 0)

    def wake(self) -> None:
        if self._waiter is not None:
            wake(self._waiter)

    def end(self, why: Exception) -> None:
        """No event comes any more: `take` raises `why`, after what was committed unless it is Expired."""
        self._ended = why
        self.wake()

    def close(self) -> None:
        self.end(StoreUnavailable("the watch is closed"))

    async def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        while True:
            if events := self.take():
                yield events
            else:
                await self.wait()
