"""A child of the launcher: started, watched, started again with backoff, stopped."""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
WELL_SECONDS = 30.0
STOP_SECONDS = 8.0
LOG_BYTES = 10 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


def next_pause(pause: float, ran_for: float) -> float:
    """The wait before the next start: twice the last one, or the first again after a good run. Pure."""
    return FIRST_PAUSE if ran_for >= WELL_SECONDS else min(pause * 2, LONGEST_PAUSE)


class Child:
    """One process of StarLink's own, with its log."""

    def __init__(self, name: str, command: Sequence[str], log_file: Path) -> None:
        self.name = name
        self._command = list(command)
        self._log_file = log_file
        self.process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    async def start(self) -> None:
        """Starts it once; its log is rotated first when it has grown."""
        if self._log_file.exists() and self._log_file.stat().st_size > LOG_BYTES:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        descriptor = os.open(self._log_file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
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
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time()
            assert self.process is not None
            code = await self.process.wait()
            changed.set()
            if self._stopping:
                return
            log.warning("%s ended with %s; it is started again in %.1f s", self.name, code, pause)
            await asyncio.sleep(pause)
            pause = next_pause(pause, loop.time() - since)
            await self.start()
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


def _die_with_parent() -> None:
    """So that a launcher's kill -9 leaves no half of StarLink behind; tasks live on."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
