"""A watch: the store's events as a stream of JSON lines."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from starlink.api import errors
from starlink.apiserver import aside
from starlink.apiserver.requests.reading.frames import Frames, frame
from starlink.apiserver.requests.reading.topics import reader, topic
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.resources.selectors import Selector
from starlink.store.base import Change, Event, Expired, Record, Store, StoreUnavailable, Watch

BOOKMARK_EVERY = 25.0  # seconds; kopf reconnects after 70 s of silence
_AT_ONCE, _BYTES_AT_ONCE = 500, 1024 * 1024
"""Objects, and bytes of them, in one piece, before others have a turn."""
_RENDERED = 16
"""How many times as much of that an object is that is looked into."""
_DECODED, _BYTES = 16, 32
"""What an object weighs (see `aside`) that is decoded, and of how many of its bytes each weighs one more."""
_LABELS = "metadata.labels"
T = TypeVar("T", Record, Event)

log = logging.getLogger(__name__)


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
    """One watch of one resource. `render` None: the objects themselves, from `frames`; `decodes`: it decodes them."""

    def __init__(
        self,
        store: Store,
        resource: Resource,
        options: WatchOptions,
        frames: Frames,
        render: Render | None,
        *,
        decodes: bool = False,
    ) -> None:
        self._store = store
        self._resource = resource
        self._options = options
        self._frames = frames
        self._shared = render is None and options.selector.everything
        self._render = render or (lambda type_, record: frames.line(record, type_, resource))
        self._decodes = decodes
        self._fields = [
            ((resource.api_version, resource.since, path), reader(resource, path), value, equal)
            for path, value, equal in options.selector.field_terms
        ]
        self._seen = 0
        self._subscription: Watch | None = None
        self._ending = False

    def end(self) -> None:
        """Has the watch end once it has told what has happened until now."""
        self._ending = True
        if self._subscription is not None:
            self._subscription.wake()

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
        self._subscription = subscription
        initial = self._store.list(self._resource.storage, options.namespace) if options.since is None else ()
        return self._lines(initial, subscription)

    async def _lines(self, initial: Sequence[Record], subscription: Watch) -> AsyncIterator[bytes]:
        alarm = _Alarm(subscription, self._options.timeout)
        try:
            for place, records in enumerate(self._pieces(initial)):
                if lines := await self._made(place, records, self._first_of):
                    yield lines
            if self._options.initial_events_end:
                yield self._bookmark({"k8s.io/initial-events-end": "true"})
            while not alarm.is_over:
                if events := subscription.take():
                    for place, part in enumerate(self._pieces(events)):
                        if lines := await self._made(place, part, self._told):
                            yield lines
                    if subscription.behind:  # what came while the client read: with the others, not at once
                        await subscription.wait()
                elif subscription.behind:
                    continue
                elif self._ending:
                    return
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

    def _pieces(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        return _pieces(items, 1 if self._shared else _RENDERED)

    async def _made(self, place: int, part: Sequence[T], lines_of: Callable[[Sequence[T]], bytes]) -> bytes:
        """The lines of a piece: others have a turn before each but the first, and what is decoded is so beside the loop
        where that is dear."""
        if place:
            await asyncio.sleep(0)
        return await aside.run(_weight(part) if self._decodes else 0, lambda: lines_of(part))

    def _first_of(self, records: Sequence[Record]) -> bytes:
        return b"".join(map(self._first, records))

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
        """Whether a record is of the selection. What selectors look at is read once for all who watch, and by itself,
        which is a tenth of all of it."""
        reading = self._frames.reading
        if not all((reading(record, what, read) == value) is equal for what, read, value, equal in self._fields):
            return False
        selector = self._options.selector
        return not selector.label_terms or selector.matches_labels(reading(record, _LABELS, encoding.labels))

    def _bookmark(self, annotations: dict[str, str] | None = None) -> bytes:
        metadata: Obj = {"resourceVersion": str(self._seen), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        obj = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        return frame("BOOKMARK", encoding.dump(obj))


def _pieces(items: Sequence[T], weight: int) -> Iterator[Sequence[T]]:
    """Records or events in their order, in pieces; each counts as `weight` of those that are passed on as they are."""
    start = size = 0
    for end, item in enumerate(items, 1):
        size += _bytes(item) * weight
        if (end - start) * weight >= _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield items[start:end]
            start, size = end, 0
    if start < len(items):
        yield items[start:]


def _bytes(item: Record | Event) -> int:
    return len(item.body if isinstance(item, Record) else item.record.body)


def _weight(items: Sequence[Record] | Sequence[Event]) -> int:
    return sum(_DECODED + _bytes(item) // _BYTES for item in items)


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
