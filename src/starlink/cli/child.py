"""A child of the launcher: started, watched, started again with backoff, stopped; its log is kept within bounds."""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from starlink.backoff import Pauses
from starlink.files import rolling

log = logging.getLogger(__name__)

PAUSES = Pauses(0.2, 10.0)
WELL_SECONDS = 30.0
STOP_SECONDS = 8.0
LOG_BYTES = 10 * 1024 * 1024
LOG_LOOK_SECONDS = 10.0
CRASHES = 2
"""Once may be an accident."""
REFUSAL = 2
"""What the parts end with when another start would end the same way."""
TURNED_AWAY = (3, 4)
"""What an agent ends with when the API does not take it: people mend that while StarLink is up."""
_PR_SET_PDEATHSIG = 1


class Child:
    """One process of StarLink's own, with its log."""

    def __init__(self, name: str, command: Sequence[str], log_file: Path) -> None:
        self.name = name
        self._command = list(command)
        self.log_file = log_file
        self._log_began = 0
        self._crashes = 0
        self.turned_away = False
        self.process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    @property
    def fails(self) -> bool:
        """Whether it ends whenever it is started."""
        code = self.process.returncode if self.process is not None else None
        return self._crashes >= CRASHES or code == REFUSAL

    def said(self) -> str:
        """What its log has got since it was first started, the last of it."""
        try:
            with self.log_file.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_began, size - LOG_BYTES))
                return file.read(LOG_BYTES).decode(errors="replace")
        except OSError:
            return ""

    async def start(self) -> None:
        """Starts it once."""
        descriptor = os.open(self.log_file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self.process is None:
            self._log_began = os.fstat(descriptor).st_size
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        finally:
            os.close(descriptor)

    async def keep(self, changed: asyncio.Event) -> None:
        """Starts it again whenever it ends, until cancelled."""
        short_runs = 1
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time()
            assert self.process is not None
            code = await self.process.wait()
            changed.set()
            if self._stopping:
                return
            self.turned_away = code in TURNED_AWAY
            self._crashes += code not in (0, *TURNED_AWAY)
            pause = PAUSES.after(short_runs)
            log.warning("%s ended with %s; it is started again in %.1f s", self.name, code, pause)
            await asyncio.sleep(pause)
            short_runs = 1 if loop.time() - since >= WELL_SECONDS else short_runs + 1
            try:
                await self.start()
            except OSError as error:  # such as a disk that is full; it counts as a start that failed
                log.warning("%s could not be started: %s", self.name, error)
            changed.set()

    async def stop(self) -> None:
        """TERM, and KILL when it takes too long."""
        self._stopping = True
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            log.warning("%s did not stop in time and is killed", self.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def bound(logs: Callable[[], Iterable[Path]]) -> None:
    """Keeps logs within twice LOG_BYTES, and what is written in LOG_LOOK_SECONDS, until cancelled."""
    while True:
        for path in logs():
            try:
                rolling.cut(path, LOG_BYTES)
            except OSError as error:
                log.warning("%s could not be cut: %s", path, error.strerror)
        await asyncio.sleep(LOG_LOOK_SECONDS)


def _die_with_parent() -> None:
    """So that a launcher's kill -9 leaves no half of StarLink behind; tasks live on."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
