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
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_Result] = loop.create_future()

    def settle(result: _Result | None, error: BaseException | None) -> None:
        if outcome.cancelled():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def do() -> None:
        result, error = None, None
        try:
            result = work(*arguments, **named)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=do, name="aside", daemon=True).start()
    return await outcome
