"""The events of a resource by the values that a field has in their objects.

A thousand agents each watch the objects of their own server: an event concerns one of them, and wakes that one alone.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from weakref import WeakSet

from starlink.store.base import Event
from starlink.store.eventlog import Log, Subscription

_log = logging.getLogger(__name__)


class Topics:
    """A log for each value of one field; `values` are those of an event (`base.Topic`).

    An event is kept under all its values, watched or not: who comes back resumes without a look at the others.
    """

    def __init__(self, values: Callable[[Event], Collection[str]], new_log: Callable[[], Log]) -> None:
        self._values = values
        self._new_log = new_log
        self._logs: dict[str, Log] = {}
        self._watches: WeakSet[Subscription] = WeakSet()  # one that was never begun is never closed

    @property
    def logs(self) -> Collection[Log]:
        return self._logs.values()

    @property
    def watched(self) -> bool:
        return bool(self._watches)

    def add(self, event: Event) -> Sequence[Log]:
        """Keeps an event; gives the logs that it is now in."""
        logs = [self._log(value) for value in self._values_of(event)]
        for log in logs:
            log.events.append(event)
        return logs

    def _values_of(self, event: Event) -> Collection[str]:
        """The write is committed: whatever can't be read of it must not keep it from those who can."""
        try:
            return self._values(event)
        except Exception:
            _log.exception("%s can't be read, and no watch by a field is told of it", event.record.key)
            return ()

    def _log(self, value: str) -> Log:
        log = self._logs.get(value)
        if log is None:
            log = self._logs[value] = self._new_log()
        return log

    def watch(self, value: str, namespace: str | None, since: int) -> Subscription:
        """A subscription to the events of one value after `since`."""
        watch = Subscription(self._log(value), namespace, since)
        self._watches.add(watch)
        return watch

    def drop_to(self, revision: int) -> None:
        """Forgets the events up to a revision, and the values that have no more and are not watched."""
        for log in self._logs.values():
            log.drop_to(revision)
        held = {id(watch.log) for watch in self._watches}
        self._logs = {value: log for value, log in self._logs.items() if log.events or id(log) in held}
