"""The recent events of a store, and those who watch them."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence

from starlink.store.base import Event, Expired, StoreUnavailable

DEFAULT_KEPT = 10_000
MAX_UNDELIVERED = 10_000
_ALL = ""


class Subscription:
    """A Watch: batches of committed events, held until they are taken."""

    def __init__(self, history: "History", resource: str, namespace: str | None) -> None:
        self._history = history
        self._resource = resource
        self._namespace = namespace
        self._batches: deque[Sequence[Event]] = deque()
        self._undelivered = 0
        self._wake = asyncio.Event()
        self._end: Exception | None = None

    @property
    def behind(self) -> int:
        return self._undelivered

    def offer(self, events: Sequence[Event]) -> None:
        """Takes the events that are meant for this watcher; one that is too slow is cut off."""
        if self._namespace is not None:
            events = [event for event in events if event.record.key.namespace == self._namespace]
        if not events or self._end is not None:
            return
        self._undelivered += len(events)
        if self._undelivered > MAX_UNDELIVERED:
            self.end(Expired(f"the watcher fell {self._undelivered} events behind; list again"))
            return
        self._batches.append(events)
        self._wake.set()

    def end(self, why: Exception) -> None:
        """Ends the iteration with `why`; what was not delivered is dropped."""
        self._end = why
        self._batches.clear()
        self._wake.set()

    def close(self) -> None:
        self._history.forget(self._resource, self)

    async def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        try:
            while True:
                while self._batches:
                    batch = self._batches.popleft()
                    self._undelivered -= len(batch)
                    yield batch
                if self._end is not None:
                    raise self._end
                self._wake.clear()
                await self._wake.wait()
        finally:
            self.close()


class History:
    """A ring of the last `kept` events, indexed by resource, so that idle watchers cost nothing."""

    def __init__(self, kept: int = DEFAULT_KEPT) -> None:
        self._kept = kept
        self._events: dict[str, deque[Event]] = defaultdict(deque)
        self._watchers: dict[str, set[Subscription]] = defaultdict(set)
        self._floor = 0

    def start_at(self, floor: int) -> None:
        """Events up to revision `floor` are not kept: to resume below it is refused."""
        self._floor = floor

    def publish(self, events: Sequence[Event]) -> None:
        """Keeps the events and hands each watcher its part of them, as one batch."""
        by_resource: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            by_resource[event.record.key.resource].append(event)
        by_resource[_ALL] = list(events)
        for resource, part in by_resource.items():
            self._events[resource].extend(part)
            for watcher in tuple(self._watchers.get(resource, ())):
                watcher.offer(part)
        self._trim()

    def _trim(self) -> None:
        ring = self._events[_ALL]
        while len(ring) > self._kept:
            oldest = ring.popleft()
            self._floor = oldest.record.revision
            self._events[oldest.record.key.resource].popleft()

    def watch(self, resource: str | None, namespace: str | None, since: int) -> Subscription:
        """A subscription that begins with the kept events after `since`. Raises Expired."""
        if since < self._floor:
            raise Expired(f"revision {since} is too old; the oldest kept is {self._floor}")
        name = _ALL if resource is None else resource
        subscription = Subscription(self, name, namespace)
        missed = [event for event in self._events.get(name, ()) if event.record.revision > since]
        subscription.offer(missed)
        self._watchers[name].add(subscription)
        return subscription

    def forget(self, resource: str, subscription: Subscription) -> None:
        self._watchers[resource].discard(subscription)

    def close(self) -> None:
        """Ends all watches with StoreUnavailable."""
        for watchers in self._watchers.values():
            for watcher in tuple(watchers):
                watcher.end(StoreUnavailable("the store is closing"))
