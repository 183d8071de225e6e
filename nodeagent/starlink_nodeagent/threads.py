"""Work that may take hours and that nobody waits for when the agent ends: in threads of its own.

Those of the event loop are few, and the loop looks up names in them: artifacts that come slowly, and trees that take
long to remove, would make the agent silent. And a process waits at its end for each of them.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


async def run(work: Callable[_Given, _Result], *arguments: _Given.args, **named: _Given.kwargs) -> _Result:
    """What `work` gives, or raises. When the caller is cancelled the work goes on, and its result is dropped."""
    return await begin(lambda: work(*arguments, **named), lambda: None)


class Slots:
    """So many pieces of work at once. A slot is taken until its thread has ended, also when the caller was cancelled:
    else those who ask and go away again would have as many threads as they like."""

    def __init__(self, count: int) -> None:
        self.taken = 0
        self._free = asyncio.Semaphore(count)

    async def run(self, work: Callable[_Given, _Result], *arguments: _Given.args, **named: _Given.kwargs) -> _Result:
        """As `threads.run`, once a slot is free."""
        await self._free.acquire()
        self.taken += 1
        try:
            outcome = begin(lambda: work(*arguments, **named), self._release)
        except BaseException:
            self._release()
            raise
        return await outcome

    def _release(self) -> None:
        self.taken -= 1
        self._free.release()


def begin(work: Callable[[], _Result], ended: Callable[[], None]) -> "asyncio.Future[_Result]":
    """Starts a thread, and gives what `work` will give; `ended` is called in the loop when the thread is over. Raises
    RuntimeError when there can be no more."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_Result] = loop.create_future()

    def settle(result: _Result | None, error: BaseException | None) -> None:
        ended()
        if outcome.cancelled():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def do() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=do, name="aside", daemon=True).start()
    return outcome
