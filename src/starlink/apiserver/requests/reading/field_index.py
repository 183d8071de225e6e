"""Objects by the value that a field has in them: a thousand agents each list those of their own server, and for none
of them all objects are read.

An index follows the store only while somebody asks, so a write costs nothing. Who asks takes note of what has been
written since; where that is more than the store has kept, everything is read anew, beside the event loop and once for
all who wait.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence

from starlink.apiserver import aside
from starlink.apiserver.requests.reading.topics import BY_KEY, Field
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Change, Event, Expired, Key, Record, Store, Topic, Watch

_WEIGHT = 16
"""What an object weighs that is read for an index (see `aside`)."""


class FieldIndexes:
    """The indexes of one store: one for each field that somebody has listed by."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._indexes: dict[tuple[str, str, str], _FieldIndex] = {}

    async def records(self, resource: Resource, namespace: str | None, topic: Topic) -> Sequence[Record] | None:
        """The objects that have the topic's value in its field, as of now, sorted by namespace and name; without those
        that can't be read. None where the key tells the field, for which there is no index."""
        field = topic.field
        assert isinstance(field, Field)
        if field.path in BY_KEY:
            return None
        index = self._indexes.get(name := (resource.storage, field.version, field.path))
        if index is None or index.field != field:  # the schema has changed since
            self._forget_the_empty()
            index = self._indexes[name] = _FieldIndex(self._store, resource.storage, topic)
        await index.follow()
        found = index.of(topic.value)
        return found if namespace is None else [record for record in found if record.key.namespace == namespace]

    def _forget_the_empty(self) -> None:
        """Kinds come and go."""
        self._indexes = {name: index for name, index in self._indexes.items() if self._store.list(name[0])}


class _Content:
    """Records by one value each."""

    def __init__(self, topic: Topic) -> None:
        self._values = topic.values
        self._value_of: dict[Key, str] = {}
        self._by_value: dict[str, dict[Key, Record]] = defaultdict(dict)

    def of(self, value: str) -> Sequence[Record]:
        found = self._by_value.get(value, {})
        return [found[key] for key in sorted(found)]

    def add(self, record: Record) -> None:
        with contextlib.suppress(Exception):  # whatever can't be read is in no list by a field
            (value,) = self._values(Event(Change.PUT, record, None))
            self._value_of[record.key] = value
            self._by_value[value][record.key] = record

    def remove(self, key: Key) -> None:
        value = self._value_of.pop(key, None)
        if value is None:
            return
        del self._by_value[value][key]
        if not self._by_value[value]:
            del self._by_value[value]


class _FieldIndex:
    def __init__(self, store: Store, storage: str, topic: Topic) -> None:
        self.field = topic.field
        self._store, self._storage, self._topic = store, storage, topic
        self._events: Watch | None = None
        self._content = _Content(topic)
        self._turn = asyncio.Lock()

    def of(self, value: str) -> Sequence[Record]:
        return self._content.of(value)

    async def follow(self) -> None:
        """Until all that is committed is noted. Raises StoreUnavailable."""
        if self._take():
            return
        async with self._turn:
            while not self._take():
                await self._read()

    def _take(self) -> bool:
        """Notes what has been written since; False where that is not known any more."""
        if self._events is None:
            return False
        try:
            while self._events.behind:
                for event in self._events.take():
                    self._content.remove(event.record.key)
                    if event.change is Change.PUT:
                        self._content.add(event.record)
        except Expired:
            self._events = None
        return self._events is not None

    async def _read(self) -> None:
        """Reads all that is there."""
        content, records = _Content(self._topic), self._store.list(self._storage)
        events = self._store.watch(self._storage, None, self._store.revision)

        def fill() -> None:
            for record in records:
                content.add(record)

        await aside.run(_WEIGHT * len(records), fill)
        self._events, self._content = events, content
