"""A store's objects in memory: what is committed, and what is on its way to the disk."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from starlink.store.base import Change, Conflict, Event, Key, Record
from starlink.store.history import DEFAULT_KEPT, History

_NONE: Mapping[str, Record] = {}
_EMPTY: Sequence[Record] = ()


class _Resource:
    """The committed objects of one resource, by namespace and name. What is sorted is kept for as long as it holds."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Record]] = {}
        self._names: dict[str, list[str]] = {}  # sorted, by namespace
        self._lists: dict[str | None, Sequence[Record]] = {}

    @property
    def empty(self) -> bool:
        return not self._objects

    def get(self, key: Key) -> Record | None:
        return self._objects.get(key.namespace, _NONE).get(key.name)

    def put(self, record: Record) -> None:
        _, namespace, name = record.key
        objects = self._objects.setdefault(namespace, {})
        if name not in objects:
            self._names.pop(namespace, None)
        objects[name] = record
        if self._lists:
            self._lists.pop(namespace, None)
            self._lists.pop(None, None)

    def remove(self, key: Key) -> None:
        objects = self._objects.get(key.namespace, {})
        if objects.pop(key.name, None) is None:
            return
        if not objects:
            del self._objects[key.namespace]
        for cache in (self._names, self._lists):
            cache.pop(key.namespace, None)
        self._lists.pop(None, None)

    def sorted_in(self, namespace: str | None) -> Sequence[Record]:
        """All of a namespace, or of all. Nothing is kept of a namespace without objects: clients make up names."""
        if namespace is not None and namespace not in self._objects:
            return _EMPTY
        found = self._lists.get(namespace)
        if found is None:
            found = self._lists[namespace] = self._everywhere() if namespace is None else self._within(namespace)
        return found

    def _everywhere(self) -> list[Record]:
        return [record for namespace in sorted(self._objects) for record in self.sorted_in(namespace)]

    def _within(self, namespace: str) -> list[Record]:
        objects = self._objects[namespace]
        names = self._names.get(namespace)
        if names is None:
            names = self._names[namespace] = sorted(objects)
        return [objects[name] for name in names]


def _with(records: Sequence[Record], others: Mapping[Key, Record | None]) -> Sequence[Record]:
    """Sorted records with others in their places, None for those that are not to be there. Takes time by the number of
    the others: a page of a long list must not cost as much as the list."""
    changed: list[Record | None] = list(records)
    more: list[Record] = []
    for key, other in others.items():
        at = bisect_left(records, key, key=_key)
        if at < len(records) and records[at].key == key:
            changed[at] = other
        elif other is not None:
            more.append(other)
    kept = [record for record in changed if record is not None]
    if more:
        kept.extend(more)
        kept.sort(key=_key)
    return kept


def _key(record: Record) -> Key:
    return record.key


class State:
    """Objects by key, with staged writes laid over the committed ones.

    A write is staged (checked, numbered, visible to `latest`), then committed (visible to all and
    told to watchers) or abandoned together with everything staged.
    """

    def __init__(self, kept: int = DEFAULT_KEPT) -> None:
        self.history = History(kept)
        self.revision = 0
        self._issued = 0
        self._resources: dict[str, _Resource] = defaultdict(_Resource)
        self._staged: dict[Key, Event] = {}

    def load(self, records: Iterable[Record], revision: int) -> None:
        """Starts from what a backend has kept; revisions go on after `revision`."""
        for record in records:
            self._resources[record.key.resource].put(record)
        self.revision = self._issued = revision

    def get(self, key: Key) -> Record | None:
        resource = self._resources.get(key.resource)
        return resource.get(key) if resource is not None else None

    def latest(self, key: Key) -> Record | None:
        staged = self._staged.get(key)
        if staged is None:
            return self.get(key)
        return staged.record if staged.change is Change.PUT else None

    def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        """The same list as long as the resource is unchanged."""
        found = self._resources.get(resource)
        return found.sorted_in(namespace) if found is not None else _EMPTY

    def list_at(self, resource: str, namespace: str | None, revision: int) -> Sequence[Record]:
        """What was there at an earlier revision: what is there now, less the events since then. Raises Expired."""
        events = self.history.after(resource, revision)
        if not events:
            return self.list(resource, namespace)
        before = {
            event.record.key: event.previous
            for event in reversed(events)
            if namespace is None or event.record.key.namespace == namespace
        }
        return _with(self.list(resource, namespace), before)

    def resources(self) -> Sequence[str]:
        """The resources of which there are objects."""
        return sorted(self._resources)

    def stage(self, change: Change, key: Key, body: bytes, expect: int) -> Event:
        """Checks and numbers a write. Raises Conflict when the key is not at revision `expect`."""
        previous = self.latest(key)
        if (previous.revision if previous else 0) != expect:
            raise Conflict(key, expect, previous)
        self._issued += 1
        record = Record(key, self._issued, body)
        event = self._staged[key] = Event(change, record, previous)
        return event

    def commit(self, events: Sequence[Event]) -> None:
        """Makes staged writes the committed state, and tells the watchers."""
        for event in events:
            record = event.record
            if event.change is Change.PUT:
                self._resources[record.key.resource].put(record)
            else:
                self._remove(record.key)
            if self._staged.get(record.key) is event:
                del self._staged[record.key]
            self.revision = record.revision
        self.history.publish(events)

    def _remove(self, key: Key) -> None:
        resource = self._resources.get(key.resource)
        if resource is not None:
            resource.remove(key)
            if resource.empty:
                del self._resources[key.resource]

    def abandon(self) -> None:
        """Forgets every staged write. Their revisions are not used again."""
        self._staged.clear()
