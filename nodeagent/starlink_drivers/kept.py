"""Processes that outlive a driver's own run: noted before they are started, found again by the next run.

Each has a session of its own, and in its environment the marker of what is kept in place of the run's, so that the
agent ends it with the instance and not with the run. It is known by that marker and its name, whatever its number: the
first of these that was started is the process itself, and what it starts has the same marker.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from starlink.files import durable
from starlink_nodeagent.layout import KEPT_RUN
from starlink_nodeagent.processes.processes import Marker, send
from starlink_nodeagent.processes.procfs import RUN_MARKER, environment_of, living, started

_NAME = "STARLINK_KEPT_NAME"
_PAUSE = 0.05

Command = tuple[str, ...]


class Kept:
    """What the driver of an instance keeps. The journal, the file of `$STARLINK_KEPT`, says with which command each is
    started."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._journal = Path(environ["STARLINK_KEPT"])
        self._environ = {name: value for name, value in environ.items() if name not in (RUN_MARKER, _NAME)}
        self._marker = f"{environ[RUN_MARKER].partition('/')[0]}/{KEPT_RUN}"
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def command(self, name: str) -> Command:
        """The one that was noted last; empty where none was."""
        return self._noted().get(name, ())

    def find(self, name: str) -> int | None:
        """The number of the process that lives, whichever run started it."""
        self._reap()
        return min((pid for pid in self._members(name) if _leads(pid)), key=started, default=None)

    def start(self, name: str, command: Sequence[str]) -> int:
        """Starts it; only where `find` finds none. Raises OSError."""
        durable.replace(self._journal, msgspec.json.encode({**self._noted(), name: command}))
        own = {RUN_MARKER: self._marker, _NAME: name}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=own | self._environ, start_new_session=True)
        self._children[process.pid] = process
        return process.pid

    async def end(self, name: str, grace: float) -> None:
        """Ends it and all that it started, by SIGTERM, and by SIGKILL after so many seconds."""
        until = time.monotonic() + grace
        self._signal(name, signal.SIGTERM)
        while [*self._members(name)]:
            if time.monotonic() > until:
                self._signal(name, signal.SIGKILL)
            await asyncio.sleep(_PAUSE)
            self._reap()

    def _members(self, name: str) -> Iterator[int]:
        """Of the driver's own user alone: any process can write any environment."""
        for pid in living(os.getuid()):
            found = environment_of(pid)
            if (found.get(RUN_MARKER), found.get(_NAME)) == (self._marker, name):
                yield pid

    def _signal(self, name: str, number: signal.Signals) -> None:
        for pid in self._members(name):
            send(pid, Marker(self._marker, os.geteuid()), None, number)

    def _noted(self) -> dict[str, Command]:
        try:
            return msgspec.json.decode(self._journal.read_bytes(), type=dict[str, Command])
        except FileNotFoundError:
            return {}

    def _reap(self) -> None:
        self._children = {pid: child for pid, child in self._children.items() if child.poll() is None}


def _leads(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid) == pid
    return False
