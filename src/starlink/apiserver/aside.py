"""What would hold up everybody is computed beside the event loop.

Python runs one thread at a time, but a thread gives up its turn every few milliseconds, so that small requests are
answered while a large one is read and checked. There is one thread and not several: each more would take a further
share of the loop's turns, and none would make the large requests faster. What is run here is pure but for caches that
threads may share; the store belongs to the loop, which is asked (`on_loop`) where something of it is needed midway.

Accounts take turns at the thread, as requests do at the handler: who sends many large requests waits for himself, and
anybody else at most for the piece of work that is being done.
"""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import ContextVar
from threading import Lock, local
from typing import Any, TypeVar

from starlink.apiserver.precedence import CONTROL
from starlink.http.fairness import Account, FairQueue

LARGE = 8 * 1024
"""Bytes that are computed beside the loop: the dearest of them, a list of thousands of wrong entries, takes 50 ms."""

_OWN = Account("", CONTROL)

ACCOUNT: ContextVar[Account] = ContextVar("account", default=_OWN)
"""The account of the request that is being answered; the server's own work has an account of its own."""

_KEPT_PER_CHANGED = 8
"""Of a stored object, most is only passed on, which costs that much less than what is new."""

_LOOK_SECONDS = 1.0
"""A thread that waits for the event loop looks this often whether the loop is still open."""

_here = local()
"""`loop` is the one whose piece of work this thread does, if any."""

T = TypeVar("T")


class _Piece:
    """A piece of work of a loop's, and the future of what it gives."""

    __slots__ = ("account", "loop", "result", "work")

    def __init__(self, account: Account, work: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.account = account
        self.work = work
        self.loop = loop
        self.result: Future[Any] = Future()

    def do(self) -> None:
        """Does the work, unless nobody waits for it any more."""
        if self.result.set_running_or_notify_cancel():
            _here.loop = self.loop
            _settle(self.result, self.work)
            del _here.loop


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    """Runs `work` and gives the future its result or its exception. A StopIteration becomes a RuntimeError: an asyncio
    future refuses a StopIteration, so that the request which awaits the future would never end."""
    try:
        future.set_result(work())
    except StopIteration as error:
        ended = RuntimeError("the work raised StopIteration")
        ended.__cause__ = error
        future.set_exception(ended)
    except BaseException as error:
        future.set_exception(error)


class Turns:
    """One thread at which accounts take turns."""

    def __init__(self) -> None:
        unbounded = sys.maxsize  # each request waits for one piece, and requests are bounded
        self._waiting: FairQueue[_Piece] = FairQueue(
            handled=1, handled_per_user=1, queued=unbounded, queued_per_user=unbounded
        )
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, "aside")

    async def run(self, account: Account, work: Callable[[], T]) -> T:
        """What `work` gives when its turn has come. Raises what it raises."""
        piece = _Piece(account, work, asyncio.get_running_loop())
        with self._lock:
            self._waiting.push(account, piece)
        self._thread.submit(self._do_next)  # as often as there are pieces
        given: T = await asyncio.wrap_future(piece.result)
        return given

    def _do_next(self) -> None:
        with self._lock:
            piece = self._waiting.take()
        assert piece is not None
        piece.do()
        with self._lock:
            self._waiting.done(piece.account)


_turns = Turns()


def weight(brought: int, kept: int = 0) -> int:
    """What a request weighs that brings so many bytes, and meets an object of `kept` bytes."""
    return brought + kept // _KEPT_PER_CHANGED


async def run(weight: int, work: Callable[[], T]) -> T:
    """What `work` gives: at once, or beside the loop when it weighs LARGE or more. Raises what it raises."""
    if weight < LARGE:
        return work()
    return await _turns.run(ACCOUNT.get(), work)


def on_loop(work: Callable[[], T]) -> T:
    """What `work` gives on the event loop: for what is computed beside it, and at once on the loop itself. Raises what
    it raises, and RuntimeError once the loop is closed."""
    loop = getattr(_here, "loop", None)
    if loop is None:
        return work()
    asked: Future[T] = Future()
    loop.call_soon_threadsafe(_settle, asked, work)
    while not wait((asked,), _LOOK_SECONDS).done:
        if loop.is_closed():
            raise RuntimeError("the event loop is closed")
    return asked.result()
