"""`/debug`: what the process is doing now, for who looks for a fault in it. Served only where it was asked for."""

import asyncio
import gc
import io
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping

from starlink.http.media import TEXT
from starlink.http.message import Response

_MOST_TYPES = 40


def response(path: str) -> Response | None:
    """The page of a path below /debug; None for one that there is not."""
    page = _PAGES.get(path)
    return Response(200, page().encode(), TEXT) if page else None


def _index() -> str:
    return "".join(f"{path}\n" for path in _PAGES)


def _tasks() -> str:
    """The stack of each task of the loop."""
    told = io.StringIO()
    for task in sorted(asyncio.all_tasks(), key=lambda task: task.get_name()):
        task.print_stack(file=told)
    return told.getvalue()


def _threads() -> str:
    """The stack of each thread."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = sorted(sys._current_frames().items(), key=lambda item: names.get(item[0], ""))
    return "\n".join(f"{names.get(ident)}\n{''.join(traceback.format_stack(frame))}" for ident, frame in stacks)


def _objects() -> str:
    """How many objects of which type the collector knows, but for those that live for ever."""
    counted = Counter(type(one).__qualname__ for one in gc.get_objects())
    return "".join(f"{count:>10}  {name}\n" for name, count in counted.most_common(_MOST_TYPES))


_PAGES: Mapping[str, Callable[[], str]] = {
    "/debug": _index,
    "/debug/objects": _objects,
    "/debug/tasks": _tasks,
    "/debug/threads": _threads,
}
