"""How many objects there are and what their revisions add up to. Pure.

Each row may be sound and the whole yet be none: a page of an earlier time brings back what was deleted, takes away
what was created, and sets back what was changed. A row that is missing or that is back changes the number, an older
one the sum.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from starlink.store.base import Change, Event, Record

_MODULUS = 2**64


class Tally(NamedTuple):
    """`total` is the sum of all revisions, modulo 2**64."""

    objects: int
    total: int

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        revisions = [record.revision for record in records]
        return cls(len(revisions), sum(revisions) % _MODULUS)

    def after(self, events: Iterable[Event]) -> "Tally":
        """What it is when the events have happened."""
        return self._moved(events, 1)

    def before(self, events: Sequence[Event]) -> "Tally":
        """What it was when they had not happened yet."""
        return self._moved(events, -1)

    def _moved(self, events: Iterable[Event], way: int) -> "Tally":
        objects, total = self
        for event in events:
            there = event.change is Change.PUT
            objects += way * (there - (event.previous is not None))
            total += way * (event.record.revision * there - (event.previous.revision if event.previous else 0))
        return Tally(objects, total % _MODULUS)
