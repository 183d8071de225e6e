"""Whether a store's objects and its log tell the same story. Pure."""

from collections.abc import Iterable, Sequence

from starlink.store.base import Change, Event, Key, Record


def missing_event(records: Iterable[Record], events: Sequence[Event], floor: int) -> Key | None:
    """The key of an object of which the log lacks a write after revision `floor`; None when it lacks none.

    Each event must follow the one before it of its object, and the last one must be what the object is
    now: a watcher that resumes would otherwise miss a write and never know.
    """
    last: dict[Key, int] = {}  # revisions by the log; 0: deleted
    for event in events:
        key = event.record.key
        before = event.previous.revision if event.previous else 0
        if before != last.get(key, before if before <= floor else -1):
            return key
        last[key] = event.record.revision if event.change is Change.PUT else 0
    for record in records:
        if last.pop(record.key, record.revision if record.revision <= floor else -1) != record.revision:
            return record.key
    return next((key for key, revision in last.items() if revision), None)
