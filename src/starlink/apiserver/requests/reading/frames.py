"""What was made of recent events: it is made once, however many watch them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock
from typing import Any, Generic, TypeVar

from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Change, Event, Record

_LINES, _BATCHES, _READINGS = 512, 4, 4096
"""How many are kept at most, of a bounded size together."""
MOST_BYTES = 16 * 1024 * 1024
_ENTRY = 128
"""What an entry of a mapping takes, beside its text."""

T = TypeVar("T")


class Recent(Generic[T]):
    """The last values that were made: at most so many, and, but for the last one, of `MOST_BYTES` together. Threads may
    share it."""

    def __init__(self, most: int, size: Callable[[T], int]) -> None:
        self._most = most
        self._size = size
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = Lock()
        self.bytes = 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, which is made when it is not kept. What it is made of must not change."""
        found = self._kept.get(key)
        if found is None:
            found = make()
            with self._lock:
                self._keep(key, found)
        return found

    def _keep(self, key: Hashable, value: T) -> None:
        if key in self._kept:
            return  # another thread has made it too
        self._kept[key] = value
        self.bytes += self._size(value)
        while len(self._kept) > self._most or (self.bytes > MOST_BYTES and len(self._kept) > 1):
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= self._size(oldest)


class Frames:
    """The encoded lines of recent events in each form in which they were asked for, and what selectors look at."""

    def __init__(self) -> None:
        self._lines = Recent[bytes](_LINES, len)
        self._batches = Recent[bytes](_BATCHES, len)
        self._readings = Recent[Any](_READINGS, _size)

    def line(self, record: Record, type_: str, resource: Resource) -> bytes:
        """One event's line."""
        return self.made(record, type_, resource, (), lambda: frame(type_, encoding.to_wire(record, resource)))

    def made(
        self, record: Record, type_: str, resource: Resource, form: tuple[Hashable, ...], make: Callable[[], bytes]
    ) -> bytes:
        """The same in another `form`, which `make` gives it. Equal forms give equal lines."""
        return self._lines.get((record.revision, type_, resource.api_version, resource.since, form), make)

    def batch(self, events: Sequence[Event], resource: Resource) -> bytes:
        """The lines of the events, for watchers without a selector. Two stretches of one log are the same stretch when
        their first event, last event and count are."""
        if len(events) == 1:
            return self._plain_line(events[0], resource)
        version = resource.api_version, resource.since  # a CRD that was changed shows what was written before otherwise
        key = (events[0].record.revision, events[-1].record.revision, len(events), *version)
        return self._batches.get(key, lambda: b"".join(self._plain_line(event, resource) for event in events))

    def reading(self, record: Record, what: Hashable, read: Callable[[Record], T]) -> T:
        """What `read` gives of a record; equal `what` read equally."""
        found: T = self._readings.get((record.revision, what), lambda: read(record))
        return found

    def _plain_line(self, event: Event, resource: Resource) -> bytes:
        return self.line(event.record, _plain_type(event), resource)


def frame(type_: str, obj: bytes) -> bytes:
    """One line of a watch."""
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), obj)


def _plain_type(event: Event) -> str:
    if event.change is Change.DELETE:
        return "DELETED"
    return "ADDED" if event.previous is None else "MODIFIED"


def _size(value: str | Mapping[str, Any]) -> int:
    if isinstance(value, str):
        return _ENTRY + len(value)
    return _ENTRY + sum(_ENTRY + len(key) + len(str(text)) for key, text in value.items())
