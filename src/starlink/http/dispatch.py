"""Requests on their way through the handler: accounts in turn, many in one step of the loop, few tasks.

Most handlers answer without waiting for anything, and for those a task each, with a wake-up each, would cost more than
the answer. So a worker drives a handler's coroutine by hand: `send(None)` runs it to its end or to its first wait. If
it ends, the worker takes the next call in the same step of the loop. If it waits, the future that it waits for is what
`send` gave. The worker then yields that future to the loop itself (`_resumed`), so that the loop takes the worker's own
task for the one that waits. It was the current task all along, so cancelling it, and `asyncio.timeout` within the
handler, work as if the handler had been awaited from the beginning.

A worker that waits can't lead, so workers are leader and followers:

- At most one worker leads: `_led` is set before a leader is called, and a worker that waits clears it first.
- Calls that are ready have a leader: one is called when a call is queued and nobody leads, and when the leader is about
  to wait and calls are ready. A worker that comes back from waiting leads if nobody does; else it becomes a follower.
- Each worker but one has a call that is being handled, or had one: the queue bounds how many are handled at once, so it
  bounds the workers. Followers are used again.

Every `_AT_A_TIME` calls the leader lets the loop turn once: a queue that never empties would keep it from its sockets.
"""

import asyncio
import contextlib
import logging
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from starlink.http.answers import INTERNAL_ERROR, too_many_requests
from starlink.http.call import Batch, Call, Waiting
from starlink.http.fairness import FairQueue
from starlink.http.limits import Limits
from starlink.http.message import Answer, Parts, Request, Response, Stream

log = logging.getLogger(__name__)

Handle = Callable[[Request], Coroutine[Any, Any, Answer]]

_AT_A_TIME = 32  # calls between two looks at the sockets, so that a newcomer soon has a turn


class Dispatcher:
    """Takes calls by `submit`, has `handle` handle them, and tells each its answer."""

    def __init__(self, handle: Handle, limits: Limits) -> None:
        self._handle = handle
        self._queue: FairQueue[Waiting] = FairQueue(
            handled=limits.handled,
            handled_per_user=limits.handled_per_user,
            queued=limits.queued,
            queued_per_user=limits.queued_per_user,
        )
        self._led = False
        self._stopping = False
        self._idle: list[asyncio.Future[None]] = []
        self._workers: set[asyncio.Task[None]] = set()

    def submit(self, call: Call) -> bool:
        """Queues a call; gives False, and does not, when too many wait."""
        return self._queued(call, 1, admitted=False)

    def _queued(self, waiting: Waiting, turns: int, *, admitted: bool) -> bool:
        if not self._queue.push(waiting.account, waiting, turns, admitted=admitted):
            return False
        if not self._led:
            self._call_leader()
        return True

    async def stop(self) -> None:
        """Ends the workers and what they handle."""
        self._stopping = True
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def _call_leader(self) -> None:
        self._led = True
        if self._idle:
            self._idle.pop().set_result(None)
            return
        worker = asyncio.get_running_loop().create_task(self._work())
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        while True:
            await self._lead()
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(waiter)
            await waiter

    async def _lead(self) -> None:
        """Handles calls until there is none, or another worker has come to lead."""
        turns, queue = 0, self._queue
        while (waiting := queue.take()) is not None:
            call = waiting.next()
            leads = call is None or await self._serve(call)
            queue.done(waiting.account)
            if not leads:
                if self._led:
                    return
                self._led = True
            turns += 1
            if turns % _AT_A_TIME == 0:
                await asyncio.sleep(0)
        self._led = False

    async def _serve(self, call: Call) -> bool:
        """Handles a call and replies; gives whether this worker has led all the while."""
        handling = self._handle(call.request)
        try:
            waited = handling.send(None)
        except StopIteration as done:
            self._reply(call, done.value)
            return True
        except Exception:
            self._reply(call, _failed(call))
            return True
        self._pass_on()
        answer = await self._rest(call, handling, waited)
        if not call.abandoned and answer is not None:
            self._reply(call, answer)
        elif isinstance(answer, Stream):
            await close(answer)
        return False

    def _pass_on(self) -> None:
        self._led = False
        if self._queue.ready:
            self._call_leader()

    async def _rest(self, call: Call, handling: Coroutine[Any, Any, Answer], waited: Any) -> Answer | None:
        """Waits for the answer of a handler that waits; None when the call was abandoned meanwhile."""
        worker = asyncio.current_task()
        call.worker = worker
        try:
            return await _resumed(handling, waited)
        except asyncio.CancelledError:
            if self._stopping or not call.abandoned:
                raise
            return None
        except Exception:
            return _failed(call)
        finally:
            call.worker = None
            while call.abandoned and worker is not None and worker.uncancel():
                pass

    def _reply(self, call: Call, answer: Answer) -> None:
        if isinstance(answer, Parts):
            call.batch = Batch(call, answer, self._queued)
            if call.batch.begin():
                return
            answer = too_many_requests()
        try:
            call.reply(answer)
        except Exception:
            log.exception("an answer was not sent", extra={"path": call.request.path})


async def close(stream: Stream) -> None:
    """Ends a stream's iterator, whether or not it was begun."""
    ending = getattr(stream.chunks, "aclose", None)
    if ending is not None:
        with contextlib.suppress(Exception):
            await ending()


def _failed(call: Call) -> Response:
    log.exception("a request failed", extra={"method": call.request.method, "path": call.request.path})
    return INTERNAL_ERROR


@types.coroutine
def _resumed(handling: Coroutine[Any, Any, Answer], waited: Any) -> Generator[Any, Any, Answer]:
    """The rest of a coroutine that was driven by hand to its first wait, which becomes the task's own."""
    try:
        yield waited
    except BaseException as error:
        try:
            waited = handling.throw(error)
        except StopIteration as done:
            answer: Answer = done.value
            return answer
        return (yield from _resumed(handling, waited))
    result: Answer = yield from handling
    return result
