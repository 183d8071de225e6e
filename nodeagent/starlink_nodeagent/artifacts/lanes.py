"""Fetches of artifacts: how many at once, and which give way to others.

A slot is for speed. A fetch that crawls while others wait for a slot leaves it and goes on among the slow ones, which
are more, but few of one Task and of one namespace. One that has no place there is broken off, waits for its place, and
begins anew. So whoever names servers that crawl waits for those, and nobody else does.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from starlink.artifacts.errors import GivenUp
from starlink.artifacts.pace import Pace
from starlink_nodeagent import threads
from starlink_nodeagent.users.uids import Task

FAST, SLOW = 16, 64
SLOW_OF_TASK, SLOW_OF_NAMESPACE = 4, 16
LOOK_SECONDS = 5.0
CRAWL = 64 * 1024
"""Bytes a second, between two looks; with fewer it crawls."""

_Result = TypeVar("_Result")


class Progress:
    """What the thread of a fetch tells, and is told."""

    def __init__(self) -> None:
        self.given_up = False
        self._paces: list[Pace] = []

    def pace(self, most: int) -> Pace:
        """That of the next try, as `fetch` asks for it."""
        self._paces.append(Pace(most, given_up=lambda: self.given_up))
        return self._paces[-1]

    @property
    def taken(self) -> int:
        """The bytes that came so far."""
        return sum(pace.taken for pace in self._paces)


@dataclass(eq=False)
class _Fetch:
    """`counted`: among the slow ones of its Task. `admitted` is done when it may begin."""

    owner: Task
    slow: bool
    admitted: "asyncio.Future[None]"
    counted: bool = False
    gave_way: bool = False
    progress: Progress = field(default_factory=Progress)
    watch: "asyncio.Task[None] | None" = None


class Lanes:
    """The fetches of one server. `fast` and `slow` are how many there are of each: a thread that was broken off, or
    whose caller was cancelled, counts until it has ended."""

    def __init__(self, look: float = LOOK_SECONDS) -> None:
        self.fast = self.slow = 0
        self._look = look
        self._of_tasks: Counter[Task] = Counter()
        self._of_namespaces: Counter[str] = Counter()
        self._waiting: list[_Fetch] = []

    async def run(self, owner: Task, work: Callable[[Progress], _Result]) -> _Result:
        """What `work` gives or raises, done in a thread once there is a place. It may be done again after it raised
        GivenUp. A Task of which a fetch crawls has its next ones among the slow ones."""
        slow = self._of_tasks[owner] > 0
        while True:
            fetch = _Fetch(owner, slow, asyncio.get_running_loop().create_future())
            await self._enter(fetch)
            try:
                return await self._carry_out(fetch, work)
            except GivenUp:
                if not fetch.gave_way:
                    raise
            slow = True

    async def _carry_out(self, fetch: _Fetch, work: Callable[[Progress], _Result]) -> _Result:
        try:
            outcome = threads.begin(lambda: work(fetch.progress), lambda: self._leave(fetch))
        except BaseException:
            self._leave(fetch)
            raise
        fetch.watch = asyncio.create_task(self._watch(fetch))
        try:
            return await outcome
        finally:
            fetch.progress.given_up = True

    async def _watch(self, fetch: _Fetch) -> None:
        while not fetch.slow:
            before = fetch.progress.taken
            await asyncio.sleep(self._look)
            crawls = fetch.progress.taken - before < CRAWL * self._look
            if crawls and any(not other.slow for other in self._waiting):
                self._give_way(fetch)

    def _give_way(self, fetch: _Fetch) -> None:
        if not self._may_be_slow(fetch.owner):
            fetch.gave_way = fetch.progress.given_up = True
        elif not fetch.gave_way:
            self._count(fetch)
        if self.slow < SLOW:
            self.fast, self.slow, fetch.slow = self.fast - 1, self.slow + 1, True
            self._admit()

    # Places

    async def _enter(self, fetch: _Fetch) -> None:
        self._waiting.append(fetch)
        self._admit()
        try:
            await fetch.admitted
        except asyncio.CancelledError:
            if fetch in self._waiting:
                self._waiting.remove(fetch)
            else:
                self._leave(fetch)
            raise

    def _admit(self) -> None:
        """Begins the waiting fetches for which there is a slot, the oldest first."""
        for fetch in [*self._waiting]:
            if self._may_be_slow(fetch.owner) if fetch.slow else self.fast < FAST:
                self._waiting.remove(fetch)
                self._take(fetch)
                if not fetch.admitted.done():
                    fetch.admitted.set_result(None)

    def _take(self, fetch: _Fetch) -> None:
        if fetch.slow:
            self.slow += 1
            self._count(fetch)
        else:
            self.fast += 1

    def _leave(self, fetch: _Fetch) -> None:
        if fetch.watch is not None:
            fetch.watch.cancel()
        if fetch.slow:
            self.slow -= 1
        else:
            self.fast -= 1
        if fetch.counted:
            self._of_tasks -= Counter([fetch.owner])
            self._of_namespaces -= Counter([fetch.owner[0]])
        self._admit()

    def _may_be_slow(self, owner: Task) -> bool:
        return (
            self.slow < SLOW
            and self._of_tasks[owner] < SLOW_OF_TASK
            and self._of_namespaces[owner[0]] < SLOW_OF_NAMESPACE
        )

    def _count(self, fetch: _Fetch) -> None:
        fetch.counted = True
        self._of_tasks[fetch.owner] += 1
        self._of_namespaces[fetch.owner[0]] += 1
