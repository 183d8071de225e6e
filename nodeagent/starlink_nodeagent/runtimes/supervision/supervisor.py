"""Runs: a process under a small `sh` that waits for it and writes down how it ended.

The shell leads a session of its own and outlives the agent, so an adopted process still has its real exit status. What
belongs to a run is known by its user and its session, or STARLINK_RUN in its environment.

The directory of a run is the agent's, and so is the file in it that tells how the run ended: the agent opens it, the
shell, which runs as the task's user, has it as its standard input, and the command does not have it at all.
"""

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from starlink.api.checks import INVALID_SPEC
from starlink.backoff import Pauses
from starlink.files import regular
from starlink_nodeagent.failures.failure import Failure, NotYet
from starlink_nodeagent.layout import EXIT
from starlink_nodeagent.logs import files as logs
from starlink_nodeagent.processes.confinement import for_a_task
from starlink_nodeagent.processes.processes import Marker, Processes, gone, send
from starlink_nodeagent.processes.procfs import arguments_of, parent_of, started, user_of
from starlink_nodeagent.runtimes.contract import Exit
from starlink_nodeagent.users.clearing import busy
from starlink_nodeagent.users.user import TaskUser

SCRIPT = """\
exec 3>&0 4>&2 </dev/null 2>/dev/null
work=$1 input=$2 hangup=$3; shift 3
trap : INT QUIT TERM USR1 USR2
trap "$hangup" HUP
(cd "$work" && exec "$@") <"$input" 2>&4 3>&- 4>&-
code=$?
echo $code >&3
exit $code
"""
"""The traps keep the shell alive when the group is signalled; the subshell has them at their defaults, and what is
ignored stays ignored. What the shell itself says of its child, such as "Terminated", goes nowhere."""
_SHELL, _NAME = "/bin/sh", "starlink-run"
_RESERVED = b"\n" * 4
"""What the file of the exit status holds from the start, so that a status of three digits finds room when the disk is
full by then."""
_PATIENCE = 8
"""In so many readings a run that is killed may show new processes."""
_PAUSES = Pauses(0.02, 0.5)
_STUCK = 8
"""In so many readings, one after another, it may show the same one; some two seconds."""

SUPERVISOR_LOST = "SupervisorLost"


@dataclass(eq=False, slots=True)
class Run:
    """A run: `pid` is the supervisor's, and its session's. `child` when the agent is its parent. Not `alive`: it has
    been seen to be over. `outlived`: something of it outlived its SIGKILL. `ports` are those that it was started with,
    where it was found."""

    pid: int
    marker: Marker
    directory: Path
    child: "subprocess.Popen[bytes] | None" = None
    alive: bool = True
    outlived: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def number(self) -> int:
        return int(self.directory.name)


def start(
    directory: Path,
    command: Sequence[str],
    work: str,
    marker: Marker,
    env: Mapping[str, str],
    log_folder: Path,
    user: TaskUser,
    spec: Path | None = None,
) -> Run:
    """Starts a supervisor in `directory`, made anew; the process starts in `work`, its output goes to the log in
    `log_folder`. `spec` is a file that the process has as its standard input, and of whose changes SIGHUP tells it: as
    long as it does not ask for that signal it does not get it. Raises OSError, and Failure for what the system refuses
    to start whoever asks."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    for folder in (directory.parent, directory):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
    output = logs.open_for(user, log_folder)
    try:
        status = os.open(directory / EXIT, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(status, _RESERVED, 0)  # the shell writes from the start, too
            with for_a_task():
                child = subprocess.Popen(
                    [_SHELL, "-c", SCRIPT, _NAME, work, str(spec or os.devnull), "" if spec else ":", *command],
                    cwd=directory,
                    env=dict(env),
                    stdin=status,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    **user.popen(),
                )
        finally:
            os.close(status)
    except OSError as error:
        raise _refusal(error, user) from error
    finally:
        os.close(output)
    return Run(child.pid, marker, directory, child)


def _refusal(error: OSError, user: TaskUser) -> Exception:
    if error.errno == errno.E2BIG:
        return Failure(
            INVALID_SPEC,
            "template.command, args and env together are larger than the system lets a process have; "
            "put what is large into the artifact",
        )
    # Of the shell: the task's user may have no more. Without a name: the agent could not fork, whoever has them all.
    if error.errno == errno.EAGAIN and error.filename == _SHELL and user.alone:
        return Failure(
            "TooManyProcesses", f"the task's user {user.name} has as many processes on this server as one may have"
        )
    return error


def supervisor_among(members: Sequence[int], uid: int) -> int | None:
    """The supervisor among a run's processes: of those that look like one the first that was started, for a process of
    the run can make itself look like one later."""
    return min((pid for pid in members if _is_supervisor(pid, uid)), key=started, default=None)


def _is_supervisor(pid: int, uid: int) -> bool:
    shell, _, _, name, *_ = [*arguments_of(pid), b"", b"", b"", b""]
    if (shell, name) != (_SHELL.encode(), _NAME.encode()) or user_of(pid) != uid:
        return False
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def exit_of(directory: Path, child: "subprocess.Popen[bytes] | None" = None) -> Exit:
    """How the run ended, as its supervisor wrote, or, where it could not write, as it told the agent that was its
    parent; else it was killed itself. Where the task can reach the file, without root, anything may be in it."""
    status = _status(regular.read_head(directory / EXIT, len(_RESERVED)))
    if status is None and child is not None and child.returncode is not None and child.returncode >= 0:
        status = child.returncode
    if status is None:
        return Exit(None, "", SUPERVISOR_LOST, "its supervisor was killed, so how the process ended is not known")
    if status > 128:
        with contextlib.suppress(ValueError):
            return Exit(None, signal.Signals(status - 128).name)
    return Exit(status)


def _status(text: bytes | None) -> int | None:
    """The exit status in a file's head, None when it is none or was cut short."""
    digits, end, _ = (text or b"").partition(b"\n")
    return int(digits) if end and digits.isdigit() and int(digits) <= 255 else None


async def ended(run: Run) -> None:
    """Waits until the supervisor is gone."""
    await gone(run.pid)
    if run.child is not None:
        run.child.poll()


async def stop(run: Run, number: signal.Signals, grace: float, processes: Processes) -> None:
    """Signals the group, and after `grace` seconds kills what is left of the run, wherever it went. Nothing of it is
    left afterwards. Raises NotYet when that can't be."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.pid, number)
    for pid in await processes.members(run.marker, run.pid):
        if not _in_group(pid, run.pid):
            send(pid, run.marker, run.pid, number)
    try:
        async with asyncio.timeout(grace):
            await ended(run)
            await emptied(run.marker, run.pid, processes)
    except TimeoutError:
        await sweep(run.marker, run.pid, processes)


async def hang_up(run: Run, processes: Processes) -> None:
    """Sends SIGHUP to the process that was started, and to nothing that it started itself."""
    for pid in await processes.members(run.marker, run.pid):
        if parent_of(pid) == run.pid:
            send(pid, run.marker, run.pid, signal.SIGHUP)


async def emptied(marker: Marker, session: int | None, processes: Processes) -> None:
    """Waits until no process of a run is left; polled, for strangers' children can't be waited for."""
    for pause in _PAUSES:
        if not await processes.members(marker, session):
            return
        await asyncio.sleep(pause)


async def sweep(marker: Marker, session: int | None, processes: Processes) -> None:
    """Kills every process of a run, until none is left. Raises NotYet when the same ones stay. A run that goes on
    making new ones faster than they are found costs its Task all that runs as its user here, other instances too."""
    known, outrun, stayed = set[int](), 0, Counter[int]()
    while pids := await processes.members(marker, session):
        for pid in pids:
            send(pid, marker, session, signal.SIGKILL)
        stayed = Counter({pid: stayed[pid] + 1 for pid in pids})
        if stuck := [pid for pid, readings in stayed.items() if readings > _STUCK]:
            raise busy(marker.uid, stuck)
        await asyncio.sleep(_PAUSES.after(max(stayed.values()) + 1))
        outrun += not known.issuperset(pids)
        known.update(pids)
        if outrun > _PATIENCE and marker.alone:
            with contextlib.suppress(NotYet):
                await processes.clear(marker.uid)


def _in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except ProcessLookupError:
        return True
