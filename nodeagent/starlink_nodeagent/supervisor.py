"""Runs: a process under a small `sh` that waits for it and writes down how it ended.

The shell leads a session of its own and outlives the agent, so an adopted process still has its real exit
status. What belongs to a run is known by its session and by STARLINK_RUN in its environment.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlink_nodeagent.processes import Processes, marker_of, send, session_of
from starlink_nodeagent.restarts import Exit
from starlink_nodeagent.user import TaskUser

SCRIPT = """\
trap : HUP INT QUIT TERM USR1 USR2
echo $$ > pid
work=$1; shift
(cd "$work" && exec "$@")
echo $? > exit
"""
"""The traps keep the shell alive when the group is signalled; the subshell has them at their defaults."""

SUPERVISOR_LOST = "SupervisorLost"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that goes on: `pid` is the supervisor's, and its session's. `child` when the agent is its parent."""

    pid: int
    marker: str
    directory: Path
    child: "subprocess.Popen[bytes] | None" = None


def start(
    directory: Path, command: Sequence[str], work: str, marker: str, env: Mapping[str, str], log: Path, user: TaskUser
) -> Run:
    """Starts a supervisor in `directory`, made anew; the process starts in `work`. Raises OSError."""
    directory.mkdir(parents=True)
    user.own(directory)
    directory.parent.chmod(0o711)
    output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT, "starlink-run", work, *command],
            cwd=directory,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **user.popen(),
        )
    finally:
        os.close(output)
    return Run(child.pid, marker, directory, child)


async def adopt(directory: Path, marker: str, processes: Processes) -> Run | None:
    """The run that an earlier agent started, None when its supervisor does not live."""
    pid = _number(directory / "pid")
    if pid is None:
        found = [p for p in await processes.members(marker, None) if _is_supervisor(p)]
        pid = found[0] if found else None
    if pid is None or marker_of(pid) != marker:
        return None
    return Run(pid, marker, directory)


def exit_of(directory: Path) -> Exit:
    """How the run ended, as its supervisor wrote; one that could not write was killed itself."""
    status = _number(directory / "exit")
    if status is None:
        return Exit(None, "", SUPERVISOR_LOST, "its supervisor was killed, so how the process ended is not known")
    if status > 128:
        with contextlib.suppress(ValueError):
            return Exit(None, signal.Signals(status - 128).name)
    return Exit(status)


async def ended(run: Run) -> None:
    """Waits until the supervisor is gone."""
    try:
        descriptor = os.pidfd_open(run.pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        if run.child is not None:
            run.child.poll()


async def stop(run: Run, number: signal.Signals, grace: float, processes: Processes) -> None:
    """Signals the group, and after `grace` seconds kills what is left of the run, wherever it went. Nothing of it is
    left afterwards."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.pid, number)
    for pid in await processes.members(run.marker, run.pid):
        if not _in_group(pid, run.pid):
            send(pid, run.marker, run.pid, number)
    try:
        async with asyncio.timeout(grace):
            await ended(run)
            await _emptied(run, processes)
    except TimeoutError:
        await sweep(run.marker, run.pid, processes)


async def _emptied(run: Run, processes: Processes) -> None:
    """Waits until no process of the run is left; polled, for strangers' children can't be waited for."""
    pause = 0.02
    while await processes.members(run.marker, run.pid):
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.5)


async def sweep(marker: str, session: int | None, processes: Processes) -> None:
    """Kills every process of a run, until none is left."""
    while pids := await processes.members(marker, session):
        for pid in pids:
            send(pid, marker, session, signal.SIGKILL)


def _is_supervisor(pid: int) -> bool:
    try:
        return b"starlink-run" in Path(f"/proc/{pid}/cmdline").read_bytes() and session_of(pid) == pid
    except OSError:
        return False


def _in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except ProcessLookupError:
        return True


def _number(path: Path) -> int | None:
    """The number in a file, None when it is absent or was cut short."""
    try:
        text = path.read_text()
    except OSError:
        return None
    return int(text) if text.endswith("\n") and text.strip().isdigit() else None
