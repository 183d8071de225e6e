"""A watch: the store's events as a stream of JSON lines, each encoded once for all who see it."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from starlink.apiserver import encoding, errors
from starlink.apiserver.encoding import Obj
from starlink.apiserver.reading.selectors import Selector
from starlink.apiserver.reading.topics import reader, topic
from starlink.apiserver.resource import Resource
from starlink.store.base import Change, Event, Expired, Record, Store, StoreUnavailable, Watch

BOOKMARK_EVERY = 25.0  # seconds; kopf reconnects after 70 s of silence
_KEPT_LINES = 512
_KEPT_BATCHES = 4
_AT_ONCE, _BYTES_AT_ONCE = 500, 1024 * 1024
"""Objects, and bytes of them, in one piece of what is there at first, before others have a turn."""
_RENDERED = 16
"""How many times as much of that an object is that is decoded."""
K = TypeVar("K")

log = logging.getLogger(__name__)


class Frames:
    """The encoded lines of recent events, so that an event is encoded once however many watch it."""

    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[int, str, str], bytes] = OrderedDict()
        self._batches: OrderedDict[tuple[int, int, int, str], bytes] = OrderedDict()

    def line(self, record: Record, type_: str, resource: Resource) -> bytes:
        """One event's line."""
        key = (record.revision, type_, resource.api_version)
        line = self._lines.get(key)
        if line is None:
            line = _kept(self._lines, key, frame(type_, encoding.to_wire(record, resource)), _KEPT_LINES)
        return line

    def batch(self, events: Sequence[Event], resource: Resource) -> bytes:
        """The lines of events for those who watch everything. Parts of one log that begin, end and count alike are
        the same."""
        key = (events[0].record.revision, events[-1].record.revision, len(events), resource.api_version)
        lines = self._batches.get(key)
        if lines is None:
            joined = b"".join(self.line(event.record, _plain_type(event), resource) for event in events)
            lines = _kept(self._batches, key, joined, _KEPT_BATCHES)
        return lines


def _kept(cache: OrderedDict[K, bytes], key: K, value: bytes, most: int) -> bytes:
    cache[key] = value
    if len(cache) > most:
        cache.popitem(last=False)
    return value


def _plain_type(event: Event) -> str:
    if event.change is Change.DELETE:
        return "DELETED"
    return "ADDED" if event.previous is None else "MODIFIED"


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a watcher asked for. `since` None: begin with what is there; `timeout` in seconds."""

    namespace: str | None
    selector: Selector
    since: int | None
    bookmarks: bool
    timeout: float
    initial_events_end: bool = False


Render = Callable[[str, Record], bytes]
"""How one event becomes a line: the object itself, or a Table of it."""


class Watcher:
    """One watch of one resource. `render` None: the objects themselves, from `frames`."""

    def __init__(
        self, store: Store, resource: Resource, options: WatchOptions, frames: Frames, render: Render | None
    ) -> None:
        self._store = store
        self._resource = resource
        self._options = options
        self._frames = frames
        self._shared = render is None and options.selector.everything
        self._render = render or (lambda type_, record: frames.line(record, type_, resource))
        self._fields = [(reader(resource, path), value, equal) for path, value, equal in options.selector.field_terms]
        self._seen = 0

    def open(self) -> AsyncIterator[bytes]:
        """Starts to listen, then gives the lines. Raises StatusError 410 when it can't resume."""
        options = self._options
        since = self._store.revision if options.since is None else options.since
        if since > self._store.revision:
            raise errors.too_large_version(since, self._store.revision)
        try:
            about = topic(self._resource, options.selector)
            subscription = self._store.watch(self._resource.storage, options.namespace, since, about)
        except Expired as error:
            raise errors.expired(f"too old resource version: {since} ({error})") from None
        self._seen = since
        initial = self._store.list(self._resource.storage, options.namespace) if options.since is None else ()
        return self._lines(initial, subscription)

    async def _lines(self, initial: Sequence[Record], subscription: Watch) -> AsyncIterator[bytes]:
        alarm = _Alarm(subscription, self._options.timeout)
        try:
            for part in _pieces(initial, 1 if self._shared else _RENDERED):
                if lines := b"".join(map(self._first, part)):
                    yield lines
                await asyncio.sleep(0)
            if self._options.initial_events_end:
                yield self._bookmark({"k8s.io/initial-events-end": "true"})
            while not alarm.is_over:
                if events := subscription.take():
                    if lines := self._told(events):
                        yield lines
                    if subscription.behind:  # what came while the client read: with the others, not at once
                        await subscription.wait()
                elif subscription.behind:
                    continue
                elif not alarm.is_due():
                    await subscription.wait()
                elif self._options.bookmarks and not alarm.is_over:  # the end has a bookmark of its own
                    yield self._current_bookmark()
            if self._options.bookmarks and not subscription.behind:
                yield self._current_bookmark()
        except Expired as error:
            yield frame("ERROR", encoding.dump(errors.expired(str(error)).status()))
        except StoreUnavailable:
            return
        finally:
            alarm.stop()
            subscription.close()

    def _first(self, record: Record) -> bytes:
        """The line of an object that is there already, if there is one for this watcher."""
        try:
            return self._render("ADDED", record) if self._wanted(record) else b""
        except encoding.Unreadable as error:
            log.error("an object is left out of a watch: %s", error)
            return b""

    def _current_bookmark(self) -> bytes:
        """When every committed event has been told, a bookmark may say the store's revision."""
        self._seen = max(self._seen, self._store.revision)
        return self._bookmark()

    def _told(self, events: Sequence[Event]) -> bytes:
        self._seen = events[-1].record.revision
        if self._shared:
            return self._frames.batch(events, self._resource)
        return b"".join(map(self._line, events))

    def _line(self, event: Event) -> bytes:
        """What an event is to this watcher, if anything: an object that leaves the selection is DELETED for it, and
        shown as it was last selected."""
        before = event.previous if event.previous is not None and self._wanted(event.previous) else None
        if event.change is Change.PUT and self._wanted(event.record):
            return self._render("ADDED" if before is None else "MODIFIED", event.record)
        if before is None:
            return b""
        left = event.change is Change.PUT
        return self._render("DELETED", replace(before, revision=event.record.revision) if left else event.record)

    def _wanted(self, record: Record) -> bool:
        """Whether a record is of the selection. Its fields are read one by one, which is a tenth of all of it."""
        if not all((read(record) == value) is equal for read, value, equal in self._fields):
            return False
        selector = self._options.selector
        return not selector.label_terms or selector.matches(encoding.to_object(record, self._resource))

    def _bookmark(self, annotations: dict[str, str] | None = None) -> bytes:
        metadata: Obj = {"resourceVersion": str(self._seen), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        obj = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        return frame("BOOKMARK", encoding.dump(obj))


def _pieces(records: Sequence[Record], weight: int) -> Iterator[Sequence[Record]]:
    """The records in their order, in pieces; each counts as `weight` of those that are passed on as they are."""
    start = size = 0
    for end, record in enumerate(records):
        size += len(record.body) * weight
        if (end + 1 - start) * weight >= _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield records[start : end + 1]
            start, size = end + 1, 0
    yield records[start:]


def frame(type_: str, obj: bytes) -> bytes:
    """One line of a watch."""
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), obj)


class _Alarm:
    """Wakes a watch when a bookmark is due, and at its end: one timer at a time, however busy the watch is."""

    def __init__(self, watch: Watch, seconds: float) -> None:
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + seconds
        self._due = False
        self._set()

    def _set(self) -> None:
        self._timer = self._loop.call_at(min(self._end, self._loop.time() + BOOKMARK_EVERY), self._ring)

    def _ring(self) -> None:
        self._due = True
        self._watch.wake()
        if not self.is_over:
            self._set()

    @property
    def is_over(self) -> bool:
        return self._loop.time() >= self._end

    def is_due(self) -> bool:
        """Whether it has rung since it was last asked."""
        due, self._due = self._due, False
        return due

    def stop(self) -> None:
        self._timer.cancel()
