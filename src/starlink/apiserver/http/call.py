"""What waits for its turn at the handler: a request, or the many that an answer is made of."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from starlink.apiserver.fairness import Account
from starlink.apiserver.message import Answer, Parts, Request, Response

Reply = Callable[[Answer], None]


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


class Batch:
    """The requests that a call's answer is made of, each a call of its own on the same account: each has its turn."""

    __slots__ = ("_answers", "_call", "_left", "_open", "_parts", "_requests", "_taken", "account")

    def __init__(self, call: Call, parts: Parts) -> None:
        self.account = call.account
        self._call = call
        self._parts = parts
        self._requests = enumerate(parts.requests)
        self._answers = [parts.refusal] * parts.count
        self._left = parts.count
        self._taken = 0  # bytes of answers
        self._open: dict[int, Call] = {}

    def next(self) -> Call | None:
        """The next of the requests, if it is still to be handled."""
        if self._call.abandoned:
            return None
        number, request = next(self._requests)
        if self._taken > self._parts.most:
            self._count()
            return None
        part = Call(request, self.account, partial(self._answered, number))
        self._open[number] = part
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
        self._left -= 1
        if not self._left:
            self._call.reply(self._parts.join(self._answers))


class Waiting(Protocol):
    """What stands in the queue; `next` is asked once for each turn."""

    @property
    def account(self) -> Account: ...

    def next(self) -> Call | None: ...
