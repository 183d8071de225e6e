"""What waits for its turn at the handler: a request, or the many that an answer is made of."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from starlink.http.fairness import Account
from starlink.http.message import Answer, Parts, Request, Response

Reply = Callable[[Answer], None]

AT_ONCE = 32
"""Requests of one batch that are begun and not answered: what their answers will take is not known before."""


class Call:
    """One request on somebody's account. `reply` is told the answer, once, unless the call is abandoned."""

    __slots__ = ("abandoned", "account", "batch", "reply", "request", "worker")

    def __init__(self, request: Request, account: Account, reply: Reply) -> None:
        self.request = request
        self.account = account
        self.reply = reply
        self.abandoned = False
        self.worker: asyncio.Task[None] | None = None
        self.batch: Batch | None = None

    def next(self) -> "Call | None":
        """What is to be handled when its turn has come, if anything is."""
        return None if self.abandoned else self

    def abandon(self) -> None:
        """Nobody waits for the answer any more: the handler is cancelled."""
        self.abandoned = True
        if self.worker is not None:
            self.worker.cancel()
        if self.batch is not None:
            self.batch.abandon()
            self.batch = None


class Batch:
    """The requests that a call's answer is made of, each a call of its own on the same account: each has its turn.
    `queue` is asked for turns; it stands in the queue once at most, and may be refused the first time alone."""

    __slots__ = (
        "_answers", "_call", "_due", "_left", "_open", "_parts", "_queue", "_queued", "_ready", "_requests", "_taken",
        "account",
    )  # fmt: skip

    def __init__(self, call: Call, parts: Parts, queue: "Queue") -> None:
        self.account = call.account
        self._call = call
        self._parts = parts
        self._queue = queue
        self._requests = enumerate(parts.requests)
        self._answers = [parts.refusal] * parts.count
        self._left = parts.count
        self._taken = 0  # bytes of answers
        self._open: dict[int, Call] = {}
        self._ready = min(parts.count, AT_ONCE)  # turns to be asked for
        self._due = parts.count - self._ready  # and those that are to be when others have been answered
        self._queued = 0  # turns that were asked for and have not come

    def begin(self) -> bool:
        """Asks for the first turns; False where there is no room, and then nothing is begun."""
        self._queued, self._ready = self._ready, 0
        return self._queue(self, self._queued, admitted=False)

    def next(self) -> Call | None:
        """The next of the requests, if it is still to be handled."""
        if self._call.abandoned:
            return None
        self._queued -= 1
        number, request = next(self._requests)
        if self._taken > self._parts.most:
            self._count()
            return None
        part = Call(request, self.account, partial(self._answered, number))
        self._open[number] = part
        self._go_on()
        return part

    def abandon(self) -> None:
        """The handlers are cancelled, and what was not begun never is."""
        for part in self._open.values():
            part.abandon()

    def _answered(self, number: int, answer: Answer) -> None:
        del self._open[number]
        assert isinstance(answer, Response)
        self._answers[number] = answer
        self._taken += len(answer.body)
        self._count()

    def _count(self) -> None:
        """One more is answered, and another may begin."""
        self._left -= 1
        if self._due:
            self._due -= 1
            self._ready += 1
        self._go_on()
        if not self._left:
            self._call.batch = None  # or both would wait for the collector of cycles, with all answers
            self._call.reply(self._parts.join(self._answers))

    def _go_on(self) -> None:
        if self._ready and not self._queued:
            self._queued, self._ready = self._ready, 0
            self._queue(self, self._queued, admitted=True)


class Waiting(Protocol):
    """What stands in the queue; `next` is asked once for each turn."""

    @property
    def account(self) -> Account: ...

    def next(self) -> Call | None: ...


class Queue(Protocol):
    """Takes what waits for so many turns; False where there is no room for what is not admitted yet."""

    def __call__(self, waiting: Waiting, turns: int, *, admitted: bool) -> bool: ...
