"""Processes that outlive a driver's own run: noted before they are started, found again by the next run.

Each has a session of its own, and in its environment the marker of what is kept in place of the run's, so that the
agent ends it with the instance and not with the run. Its number and the moment of its start are noted once it has been
started. A driver that was killed just before that finds it by the marker and its name: of the processes that have
them, the first that was started is it. What it starts is in its session, or has the same marker.
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
from starlink_nodeagent.processes.procfs import RUN_MARKER, environment_of, living, started, user_of

_NAME = "STARLINK_KEPT_NAME"
_PAUSE = 0.05

Command = tuple[str, ...]


class Note(msgspec.Struct, frozen=True):
    """What is kept, as the journal has it: `started` as procfs tells it; 0 while it is not known."""

    command: Command
    pid: int = 0
    started: int = 0

    @property
    def lives(self) -> bool:
        """Whether the process that was noted is there. Raises OSError."""
        return self.pid != 0 and user_of(self.pid) is not None and started(self.pid) == self.started


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
        note = self._notes().get(name)
        return note.command if note else ()

    def find(self, name: str) -> int | None:
        """The number of the process that lives, whichever run started it."""
        self._reap()
        note = self._notes().get(name)
        if note is not None and note.pid:
            return note.pid if note.lives else None
        return min((pid for pid in self._members(name) if _leads(pid)), key=started, default=None)

    def start(self, name: str, command: Sequence[str]) -> int:
        """Starts it; only where `find` finds none, and `end` has ended what an earlier one has left. Raises OSError."""
        self._write(name, Note(tuple(command)))
        own = {RUN_MARKER: self._marker, _NAME: name}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=own | self._environ, start_new_session=True)
        self._children[process.pid] = process
        self._write(name, Note(tuple(command), process.pid, started(process.pid)))
        return process.pid

    def _write(self, name: str, note: Note) -> None:
        durable.replace(self._journal, msgspec.json.encode({**self._notes(), name: note}))

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
        note = self._notes().get(name)
        session = note.pid if note is not None and note.lives else 0
        for pid in living(os.getuid()):
            if session and _session_of(pid) == session:
                yield pid
                continue
            found = environment_of(pid)
            if (found.get(RUN_MARKER), found.get(_NAME)) == (self._marker, name):
                yield pid

    def _signal(self, name: str, number: signal.Signals) -> None:
        for pid in self._members(name):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _notes(self) -> dict[str, Note]:
        try:
            return msgspec.json.decode(self._journal.read_bytes(), type=dict[str, Note])
        except FileNotFoundError:
            return {}

    def _reap(self) -> None:
        self._children = {pid: child for pid, child in self._children.items() if child.poll() is None}


def _leads(pid: int) -> bool:
    return _session_of(pid) == pid


def _session_of(pid: int) -> int:
    """Its session; 0 when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0
