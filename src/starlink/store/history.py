"""The recent events of a store, and those who watch them.

A watcher holds no events, only its place in the log that all share: a slow one costs no memory, and is cut off when
the log no longer reaches back to its place.
"""

import asyncio
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from starlink.store.base import Event, Expired, StoreUnavailable

DEFAULT_KEPT = 10_000
_ALL = ""
_MOST_AT_ONCE = 500
_TURN = 10  # who are woken in one turn of the loop, so that requests get theirs in between
_REST = 0.0001  # seconds for each who was woken, about twice what telling it one event costs


class Log:
    """The kept events of one resource, in order. `first` is the number, since the beginning, of the oldest; `ended`
    says why no more will come."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.events: list[Event] = []
        self.first = 0
        self.ended: Exception | None = None
        self._call = call  # has those who wait woken
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._asked: tuple[int, int, str | None] = (0, 0, None)
        self._part: tuple[int, Sequence[Event]] = (0, [])

    @property
    def end(self) -> int:
        return self.first + len(self.events)

    def place_after(self, revision: int) -> int:
        """The number of the first event after a revision."""
        return self.first + bisect_right(self.events, revision, key=lambda event: event.record.revision)

    def drop(self, count: int) -> None:
        """Forgets the oldest events."""
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
                self._call()
            await waiter
        finally:
            self._waiting.pop(waiter, None)

    def release(self) -> Iterable["asyncio.Future[None]"]:
        """Those who wait, to be woken by the caller."""
        waiting, self._waiting = self._waiting, {}
        return waiting

    def wake(self) -> None:
        for waiter in self.release():
            _wake(waiter)


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class Subscription:
    """A Watch: a place in a log."""

    def __init__(self, log: Log, namespace: str | None, since: int) -> None:
        self._log = log
        self._namespace = namespace
        self._since = since
        self._place = log.place_after(since)
        self._waiter: asyncio.Future[None] | None = None
        self._ended: Exception | None = None

    @property
    def behind(self) -> int:
        return self._log.end - self._place

    def take(self) -> Sequence[Event]:
        log = self._log
        ended = self._ended or log.ended
        if ended is not None and (not self.behind or isinstance(ended, Expired)):
            raise ended
        if self._place < log.first:
            raise Expired(f"the watcher fell more than {len(log.events)} events behind; list again")
        taken, events = log.part(self._place, self._namespace)
        self._place += taken
        if events and events[0].record.revision <= self._since:  # told by a server that is ahead of this one
            events = [event for event in events if event.record.revision > self._since]
        return events

    async def wait(self) -> None:
        if self._ended is not None or self._log.ended is not None:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        await self._log.wait(self._waiter, soon=self.behind > 0)

    def wake(self) -> None:
        if self._waiter is not None:
            _wake(self._waiter)

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


class History:
    """The last events, `kept` of them or a few more, by resource, so that idle watchers cost nothing."""

    def __init__(self, kept: int = DEFAULT_KEPT) -> None:
        self._kept = kept
        self._spare = kept // 8
        self._logs: dict[str, Log] = {}
        self._floor = 0
        self._due: set[str] = set()
        self._waking: asyncio.Handle | None = None
        self._turn: deque[asyncio.Future[None]] = deque()  # who are still to be woken
        self._rested_at = 0.0
        self._ended: Exception | None = None

    def start_at(self, floor: int) -> None:
        """Events up to revision `floor` are not kept: to resume below it is refused."""
        self._floor = floor

    def _log(self, resource: str) -> Log:
        log = self._logs.get(resource)
        if log is None:
            log = self._logs[resource] = Log(lambda: self._call(resource))
            log.ended = self._ended
        return log

    def publish(self, events: Sequence[Event]) -> None:
        """Keeps the events and wakes those who wait for them."""
        for event in events:
            resource = event.record.key.resource
            self._log(resource).events.append(event)
            self._due.add(resource)
        everything = self._log(_ALL)
        everything.events += events
        if len(everything.events) > self._kept + self._spare:
            self._trim()
        self._call(_ALL)

    def _call(self, resource: str) -> None:
        """Has those woken who wait for a resource, as soon as it is time."""
        self._due.add(resource)
        if self._waking is None:
            self._wake_when_rested()

    def _trim(self) -> None:
        log = self._logs[_ALL]
        dropped = log.events[: len(log.events) - self._kept]
        self._floor = dropped[-1].record.revision
        for resource, count in Counter(event.record.key.resource for event in dropped).items():
            self._logs[resource].drop(count)
        log.drop(len(dropped))

    # Waking: what it costs grows with those who wait, so that with many of them events gather between two wakings. The
    # rest between two grows with their number alone: were it to grow with what they are told, a longer rest would
    # gather more to tell, and so on without end.

    def _wake_when_rested(self) -> None:
        if not any(self._logs[resource].awaited for resource in self._due):
            self._due.clear()
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._rested_at:
            self._wake()
        else:
            self._waking = loop.call_at(self._rested_at, self._wake)

    def _wake(self) -> None:
        for resource in self._due:
            self._turn.extend(self._logs[resource].release())
        self._due.clear()
        self._wake_some(_REST * len(self._turn))

    def _wake_some(self, rest: float) -> None:
        loop = asyncio.get_running_loop()
        if self._turn:
            for _ in range(min(_TURN, len(self._turn))):
                _wake(self._turn.popleft())
            self._waking = loop.call_soon(self._wake_some, rest)  # after those who were woken have run
            return
        self._rested_at = loop.time() + rest
        self._waking = None
        if self._due:
            self._wake_when_rested()

    def after(self, resource: str, revision: int) -> Sequence[Event]:
        """The events of a resource after a revision. Raises Expired."""
        self._check(revision)
        log = self._log(resource)
        return log.events[log.place_after(revision) - log.first :]

    def _check(self, revision: int) -> None:
        if revision < self._floor:
            raise Expired(f"revision {revision} is too old; the oldest kept is {self._floor}")

    def watch(self, resource: str | None, namespace: str | None, since: int) -> Subscription:
        """A subscription that begins with the kept events after `since`. Raises Expired."""
        self._check(since)
        return Subscription(self._log(_ALL if resource is None else resource), namespace, since)

    def end(self, why: Exception) -> None:
        """Ends all watches, as `Subscription.end` does."""
        self._ended = why
        for log in self._logs.values():
            log.ended = why
            log.wake()

    def close(self) -> None:
        """Ends all watches with StoreUnavailable."""
        self.end(StoreUnavailable("the store is closing"))
