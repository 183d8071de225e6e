"""A watch: the store's events as a stream of JSON lines, each encoded once for all who see it."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from starlink.apiserver import encoding, errors
from starlink.apiserver.encoding import Obj
from starlink.apiserver.resource import Resource
from starlink.apiserver.selectors import Selector
from starlink.store.base import Change, Event, Expired, Record, Store, StoreUnavailable, Watch

BOOKMARK_EVERY = 25.0  # seconds; kopf reconnects after 70 s of silence
_KEPT_FRAMES = 512


class Frames:
    """The encoded lines of recent events, so that an event is encoded once however many watch it."""

    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[int, str, str], bytes] = OrderedDict()

    def line(self, record: Record, type_: str, resource: Resource) -> bytes:
        key = (record.revision, type_, resource.api_version)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = frame(type_, encoding.to_wire(record, resource))
            if len(self._lines) > _KEPT_FRAMES:
                self._lines.popitem(last=False)
        return line


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
    """One watch of one resource."""

    def __init__(self, store: Store, resource: Resource, options: WatchOptions, render: Render) -> None:
        self._store = store
        self._resource = resource
        self._options = options
        self._render = render
        self._seen = 0

    def open(self) -> AsyncIterator[bytes]:
        """Starts to listen, then gives the lines. Raises StatusError 410 when it can't resume."""
        options = self._options
        since = self._store.revision if options.since is None else options.since
        if since > self._store.revision:
            raise errors.too_large_version(since, self._store.revision)
        try:
            subscription = self._store.watch(self._resource.storage, options.namespace, since)
        except Expired as error:
            raise errors.expired(f"too old resource version: {since} ({error})") from None
        self._seen = since
        initial = self._store.list(self._resource.storage, options.namespace) if options.since is None else ()
        return self._lines(initial, subscription)

    async def _lines(self, initial: Sequence[Record], subscription: Watch) -> AsyncIterator[bytes]:
        batches = subscription.__aiter__()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._options.timeout
        chosen = [record for record in initial if self._wanted(record)]
        if chosen:
            yield b"".join(self._render("ADDED", record) for record in chosen)
        if self._options.initial_events_end:
            yield self._bookmark({"k8s.io/initial-events-end": "true"})
        following = asyncio.ensure_future(anext(batches))
        try:
            while (left := end - loop.time()) > 0:
                done, _ = await asyncio.wait([following], timeout=min(left, BOOKMARK_EVERY))
                if not done:
                    ending = loop.time() >= end  # which has a bookmark of its own
                    if self._options.bookmarks and not ending and self._caught_up(following, subscription):
                        yield self._bookmark()
                    continue
                lines = self._told(following.result())
                following = asyncio.ensure_future(anext(batches))
                if lines:
                    yield lines
            if self._options.bookmarks and self._caught_up(following, subscription):
                yield self._bookmark()
        except Expired as error:
            yield frame("ERROR", encoding.dump(errors.expired(str(error)).status()))
        except (StoreUnavailable, StopAsyncIteration):
            return
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await batches.aclose()  # type: ignore[attr-defined]

    def _caught_up(self, following: "asyncio.Future[Sequence[Event]]", subscription: Watch) -> bool:
        """Whether every committed event has been told, so that a bookmark may say the store's revision."""
        if following.done() or subscription.behind:
            return False
        self._seen = max(self._seen, self._store.revision)
        return True

    def _told(self, events: Sequence[Event]) -> bytes:
        lines = []
        for event in events:
            self._seen = event.record.revision
            type_ = self._type(event)
            if type_ is not None:
                lines.append(self._render(type_, event.record))
        return b"".join(lines)

    def _type(self, event: Event) -> str | None:
        """What the event is to this watcher: an object that leaves the selection is DELETED for it."""
        everything = self._options.selector.everything
        before = event.previous is not None and (everything or self._wanted(event.previous))
        after = event.change is Change.PUT and (everything or self._wanted(event.record))
        if before:
            return "MODIFIED" if after else "DELETED"
        return "ADDED" if after else None

    def _wanted(self, record: Record) -> bool:
        selector = self._options.selector
        if selector.everything:
            return True
        name = selector.required("metadata.name")
        if name is not None and name != record.key.name:
            return False
        return selector.matches(encoding.to_object(record, self._resource))

    def _bookmark(self, annotations: dict[str, str] | None = None) -> bytes:
        metadata: Obj = {"resourceVersion": str(self._seen), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        obj = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        return frame("BOOKMARK", encoding.dump(obj))


def frame(type_: str, obj: bytes) -> bytes:
    """One line of a watch."""
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), obj)
