"""The recent events of a store. Watchers are woken here when an event comes.

Events are kept once and pointed to from several logs: the log of everything, the log of each resource, and one for each
value of a field that somebody watches by, such as the assignments of one server. Each log is in the order of revisions,
so a watcher is no more than a place in a log. Resuming is a binary search, falling behind costs nobody anything, and an
event costs those watchers nothing whose log it is not in.

What holds at any time:

- `_floor` is the revision up to which events were dropped. To resume at the floor or above finds every event after it;
  to resume below it is refused (Expired), and the client lists anew. The floor only rises.
- Every log lacks the same events, those up to the floor: they are dropped from all logs in one step.
- A log lives as long as it holds an event or somebody watches it. `_logs` holds those with events; `_known` refers
  weakly to all, so that clients can't fill memory with resources that they make up.
- A log with events for which its watchers were not woken yet is in `_due`, and while one is there for which somebody
  waits, a waking is planned. A watcher that is woken reads to the end of its log, however many events that are.

Waking is what costs: each watcher is a task. So wakings gather. After one, the history rests for a time that grows with
the number of watchers woken, and events that come meanwhile are told together. The rest does not grow with the number
of events: a longer rest would gather more of them, which would make the next rest longer still.
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from weakref import WeakValueDictionary

from starlink.store.base import Event, Expired, StoreUnavailable, Topic
from starlink.store.eventlog import Log, Subscription, wake
from starlink.store.topics import Topics

DEFAULT_KEPT = 10_000
MOST_BYTES = 64 * 1024 * 1024
"""Of the bodies of what is kept: large objects that change often would take gigabytes."""
_ALL = ""
_TURN = 10  # who are woken in one turn of the loop, so that requests get theirs in between
_REST = 0.0001  # seconds for each who was woken, about twice what telling it one event costs


class History:
    """The last events, by resource, and by topic where somebody watches one, so that an event costs nothing to those
    whom it does not concern. An eighth more than `kept` events and `most_bytes` of bodies is kept at times.

    A log that holds no event is kept for as long as somebody watches it: clients may make up the resource.
    """

    def __init__(self, kept: int = DEFAULT_KEPT, most_bytes: int = MOST_BYTES) -> None:
        self._kept = kept
        self._most_bytes = most_bytes
        self._bytes = 0
        self._ended: Exception | None = None
        self._logs: dict[str, Log] = {_ALL: self._new_log()}
        self._known: WeakValueDictionary[str, Log] = WeakValueDictionary(self._logs)
        self._floor = 0
        self._topics: dict[str, dict[Hashable, Topics]] = {}  # by resource and field
        self._due: set[Log] = set()
        self._waking: asyncio.Handle | None = None
        self._turn: deque[asyncio.Future[None]] = deque()  # who are still to be woken
        self._rested_at = 0.0

    def start_at(self, floor: int) -> None:
        """Events up to revision `floor` are not kept: to resume below it is refused."""
        self._floor = floor

    def _log(self, resource: str) -> Log:
        log = self._known.get(resource)
        if log is None:
            log = self._known[resource] = self._new_log()
        return log

    def _new_log(self) -> Log:
        return Log(self._call, self._ended)

    def publish(self, events: Sequence[Event]) -> None:
        """Keeps the events and wakes those who wait for them."""
        for event in events:
            self._keep(event)
            self._bytes += len(event.record.body)
        everything = self._logs[_ALL]
        everything.events += events
        if len(everything.events) > self._kept * 9 // 8 or self._bytes > self._most_bytes * 9 // 8:
            self._trim()
        self._call(everything)

    def _keep(self, event: Event) -> None:
        resource = event.record.key.resource
        log = self._logs[resource] = self._log(resource)
        log.events.append(event)
        self._due.add(log)
        if by_field := self._topics.get(resource):
            for topics in by_field.values():
                self._due.update(topics.add(event))

    def _call(self, log: Log) -> None:
        """Has those woken who wait for a log, as soon as it is time."""
        self._due.add(log)
        if self._waking is None:
            self._wake_when_rested()

    def _trim(self) -> None:
        events = self._logs[_ALL].events
        dropped = self._number_to_drop(events)
        if not dropped:
            return
        self._floor = events[dropped - 1].record.revision
        for log in self._logs.values():
            log.drop_to(self._floor)
        self._logs = {resource: log for resource, log in self._logs.items() if log.events or resource == _ALL}
        watched = {
            resource: {field: topics for field, topics in by_field.items() if topics.watched}
            for resource, by_field in self._topics.items()
        }
        self._topics = {resource: by_field for resource, by_field in watched.items() if by_field}
        for by_field in self._topics.values():
            for topics in by_field.values():
                topics.drop_to(self._floor)

    def _number_to_drop(self, events: Sequence[Event]) -> int:
        """How many of the oldest are to go, so that the others are within both bounds; the newest stays."""
        dropped = max(len(events) - self._kept, 0)
        self._bytes -= sum(len(event.record.body) for event in events[:dropped])
        while self._bytes > self._most_bytes and dropped < len(events) - 1:
            self._bytes -= len(events[dropped].record.body)
            dropped += 1
        return dropped

    # Waking

    def _wake_when_rested(self) -> None:
        if not any(log.awaited for log in self._due):
            self._due.clear()
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._rested_at:
            self._wake()
        else:
            self._waking = loop.call_at(self._rested_at, self._wake)

    def _wake(self) -> None:
        for log in self._due:
            self._turn.extend(log.release())
        self._due.clear()
        self._wake_some(_REST * len(self._turn))

    def _wake_some(self, rest: float) -> None:
        loop = asyncio.get_running_loop()
        if self._turn:
            for _ in range(min(_TURN, len(self._turn))):
                wake(self._turn.popleft())
            self._waking = loop.call_soon(self._wake_some, rest)  # after the watchers that were woken have run
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

    def watch(
        self, resource: str | None, namespace: str | None, since: int, topic: Topic | None = None
    ) -> Subscription:
        """A subscription that begins with the kept events after `since`. Raises Expired, and ValueError for a topic
        without a resource."""
        self._check(since)
        if topic is None:
            return Subscription(self._log(_ALL if resource is None else resource), namespace, since)
        if resource is None:
            raise ValueError(f"a watch of the topic {topic.field}={topic.value} needs the resource that it is of")
        return self._by(resource, topic).watch(topic.value, namespace, since)

    def _by(self, resource: str, topic: Topic) -> Topics:
        """The events of a resource by a topic's field, the kept ones too when it is the first to ask."""
        by_field = self._topics.setdefault(resource, {})
        topics = by_field.get(topic.field)
        if topics is None:
            topics = by_field[topic.field] = Topics(topic.values, self._new_log)
            for event in self._log(resource).events:
                topics.add(event)
        return topics

    def end(self, why: Exception) -> None:
        """Ends all watches, as `Subscription.end` does."""
        self._ended = why
        of_topics = [log for by_field in self._topics.values() for topics in by_field.values() for log in topics.logs]
        for log in [*self._known.values(), *of_topics]:
            log.ended = why
            log.wake()

    def close(self) -> None:
        """Ends all watches with StoreUnavailable."""
        self.end(StoreUnavailable("the store is closing"))
