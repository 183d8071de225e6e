"""Writes that wait to go out, in lines: one before all requests, and one behind each object that is being written."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from starlink.client import batch
from starlink.client.batch import Write

Target = tuple[str, str]
"""An object's namespace and name."""


@dataclass(eq=False, slots=True)
class Item:
    """A write and the future of its caller. The task `carrier` sends the write, in one request with the items of
    `company`."""

    write: Write
    written: "asyncio.Future[bytes]"
    carrier: "asyncio.Task[None] | None" = None
    company: "Sequence[Item]" = ()

    @property
    def target(self) -> Target:
        return self.write.namespace, self.write.name

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits."""
        return not self.written.done()

    def done(self, written: bytes) -> None:
        if self.is_wanted:
            self.written.set_result(written)

    def fail(self, error: Exception) -> None:
        if self.is_wanted:
            self.written.set_exception(error)
            self.written.exception()  # whoever asked may be gone


class Lines:
    """Two writes of one object are never out together: the second waits until the first is over."""

    def __init__(self) -> None:
        self._first: deque[Item] = deque()
        self._behind: dict[Target, list[Item]] = {}

    def __len__(self) -> int:
        """How many may go out now."""
        return len(self._first)

    def join(self, item: Item) -> None:
        if item.target in self._behind:
            self._behind[item.target].append(item)
        else:
            self._behind[item.target] = []
            self._first.append(item)

    def next(self, most: int) -> Sequence[Item]:
        """The oldest of those that somebody waits for, as far as they go in one request of so many; none where there
        are none."""
        while self._first:
            count = batch.fitting((item.write for item in self._first), most)
            taken = [self._first.popleft() for _ in range(count)]
            for item in taken:
                if not item.is_wanted:
                    self.over(item)
            if wanted := [item for item in taken if item.is_wanted]:
                return wanted
        return ()

    def over(self, item: Item) -> None:
        """What became of it is known, or nobody waits for it: the next of its object may go."""
        behind = self._behind[item.target]
        if behind:
            self._first.append(behind.pop(0))
        else:
            del self._behind[item.target]

    def again(self, items: Sequence[Item]) -> None:
        """These were out, and nothing was done: they are the next."""
        self._first.extendleft(reversed(items))
