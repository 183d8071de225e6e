"""Logs kept within their size while they are written to.

A log that nothing is written to costs nothing: the kernel says when that changes (inotify.py). From then on it is
looked at again and again, the sooner the faster it grows, until it has stopped growing. So it takes no more than its
limit and what is written between two looks; nobody who writes is ever held up. What can't be watched is looked at a few
times a second. Looks have a thread of their own, for they must not wait for what else the agent does.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlink_nodeagent.logs import files as logs
from starlink_nodeagent.logs.inotify import Inotify

log = logging.getLogger(__name__)

REST_SECONDS, SHORTEST_REST = 0.05, 0.01
"""Between two looks at a log that grows."""
_UNWATCHED_REST = 0.25
_FAILED_REST = 10.0
_LOOK_SECONDS = 10.0
"""Between two looks at all logs, whatever the kernel has told."""
KEEP_SECONDS = 1.0
"""Between two older files of one log. Of one that fills up sooner only the last words are copied, lest it cost the
agent as much as its writer."""
_LEAST = 1024 * 1024
_ASIDE = 32 * 1024 * 1024
"""From this limit on a log is rotated in a thread of its own: to copy it takes longer than others can wait."""


@dataclass
class Log:
    """A log and what the last look saw: its `size` `at` a time. An older file was made at `kept` last."""

    folder: Path
    max_size: int
    max_files: int
    at: float
    size: int = 0
    kept: float = float("-inf")
    due: float = 0.0

    def look(self, now: float) -> float | None:
        """Rotates it if it is too large; gives for how long it may be left alone, None until it is written to. Blocks.
        Raises OSError."""
        size = logs.size_of(self.folder)
        grown, seconds = size - self.size, now - self.at
        self.at, self.size = now, size
        if size > self.max_size:
            keep = now - self.kept >= KEEP_SECONDS
            logs.rotate(self.folder, self.max_size, self.max_files, keep=keep)
            self.size, self.kept = 0, now if keep else self.kept
        return rest(grown, seconds, self.max_size) if grown > 0 else None


def rest(grown: int, seconds: float, max_size: int) -> float:
    """The time in which a log that has grown so much in `seconds` grows by a quarter of its limit, within bounds.
    Pure."""
    return min(max(max(max_size, _LEAST) / 4 * seconds / grown, SHORTEST_REST), REST_SECONDS)


class Rotation:
    """The logs of an agent's instances. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._inotify = Inotify()
        self._lock = threading.Lock()
        self._logs: dict[Path, Log] = {}
        self._asleep: dict[int, Log] = {}
        """Those that are written to no more, by the numbers under which the kernel wakes them."""
        self._busy = set[Path]()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="rotation", daemon=True)
        self._thread.start()

    def keep(self, folder: Path, max_size: int, max_files: int) -> None:
        """Keeps the log in a folder within its limits from now on, until the folder has gone."""
        now = self._clock()
        with self._lock:
            one = self._logs.setdefault(folder, Log(folder, max_size, max_files, now))
            one.max_size, one.max_files, one.due = max_size, max_files, now
        self._inotify.wake()

    def close(self) -> None:
        self._closed = True
        self._inotify.wake()
        self._thread.join()
        self._inotify.close()

    def _run(self) -> None:
        while not self._closed:
            now = self._clock()
            for one in self._due(now):
                self._look(one, now)
            self._wake(self._inotify.wait(self._next() - self._clock()))

    def _due(self, now: float) -> list[Log]:
        with self._lock:
            return [one for folder, one in self._logs.items() if one.due <= now and folder not in self._busy]

    def _next(self) -> float:
        with self._lock:
            dues = [one.due for folder, one in self._logs.items() if folder not in self._busy]
        return min(dues, default=self._clock() + _LOOK_SECONDS)

    def _wake(self, numbers: set[int]) -> None:
        for number in numbers:
            if (one := self._asleep.pop(number, None)) is not None:
                one.at = one.due = self._clock()  # it grows since now

    def _look(self, one: Log, now: float) -> None:
        if one.max_size < _ASIDE:
            self._look_and_rest(one, now)
            return
        self._busy.add(one.folder)
        threading.Thread(target=self._look_aside, args=(one, now), name="rotation aside", daemon=True).start()

    def _look_aside(self, one: Log, now: float) -> None:
        try:
            self._look_and_rest(one, now)
        finally:
            self._busy.discard(one.folder)
            self._inotify.wake()

    def _look_and_rest(self, one: Log, now: float) -> None:
        try:
            seconds = one.look(now)
            one.due = now + (self._fall_asleep(one) if seconds is None else seconds)
        except FileNotFoundError:
            self._forget(one)
        except Exception as error:  # of one log: the others go on
            log.warning("a log could not be rotated: %s", error, extra={"path": str(one.folder)})
            one.due = now + _FAILED_REST

    def _fall_asleep(self, one: Log) -> float:
        """Asks to be told, and looks once more at what was written before that."""
        try:
            number = self._inotify.ask(one.folder)
        except FileNotFoundError:
            raise
        except OSError:  # the kernel has no more to give
            return _UNWATCHED_REST
        self._asleep[number] = one
        return 0.0 if logs.size_of(one.folder) != one.size else _LOOK_SECONDS

    def _forget(self, one: Log) -> None:
        with self._lock:
            if self._logs.get(one.folder) is one:
                del self._logs[one.folder]
