"""A store's objects in memory: what is committed, and what is on its way to the disk."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from starlink.store.base import Change, Conflict, Event, Key, Record
from starlink.store.history import DEFAULT_KEPT, History


class State:
    """Objects by key, with staged writes laid over the committed ones.

    A write is staged (checked, numbered, visible to `latest`), then committed (visible to all and
    told to watchers) or abandoned together with everything staged.
    """

    def __init__(self, kept: int = DEFAULT_KEPT) -> None:
        self.history = History(kept)
        self.revision = 0
        self._issued = 0
        self._objects: dict[str, dict[tuple[str, str], Record]] = defaultdict(dict)
        self._sorted: dict[str, list[Record]] = {}
        self._staged: dict[Key, Event] = {}

    def load(self, records: Iterable[Record], revision: int) -> None:
        """Starts from what a backend has kept; revisions go on after `revision`."""
        for record in records:
            self._objects[record.key.resource][record.key.namespace, record.key.name] = record
        self.revision = self._issued = revision

    def get(self, key: Key) -> Record | None:
        return self._objects[key.resource].get((key.namespace, key.name))

    def latest(self, key: Key) -> Record | None:
        staged = self._staged.get(key)
        if staged is None:
            return self.get(key)
        return staged.record if staged.change is Change.PUT else None

    def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        records = self._sorted.get(resource)
        if records is None:
            objects = self._objects[resource]
            records = self._sorted[resource] = [objects[name] for name in sorted(objects)]
        if namespace is None:
            return records
        return [record for record in records if record.key.namespace == namespace]

    def resources(self) -> Sequence[str]:
        """The resources of which there are objects."""
        return sorted(resource for resource, objects in self._objects.items() if objects)

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
            key = record.key
            place = (key.namespace, key.name)
            if event.change is Change.PUT:
                self._objects[key.resource][place] = record
            else:
                self._objects[key.resource].pop(place, None)
            self._sorted.pop(key.resource, None)
            if self._staged.get(key) is event:
                del self._staged[key]
            self.revision = record.revision
        self.history.publish(events)

    def abandon(self) -> None:
        """Forgets every staged write. Their revisions are not used again."""
        self._staged.clear()
