"""What lives of an Assignment, whoever started it and whatever its record says of it.

A record may be older than the truth: the agent was killed while the disk was full, or the file was damaged, or
somebody put back an old copy. The processes are the truth. They are known by STARLINK_RUN and by their user, which is
the owner of the instance's directory; where that is gone too, the user that the Task would get.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.instances.restarts import Exit
from starlink_nodeagent.journal.record import WORK, Record
from starlink_nodeagent.processes.processes import Marker, Processes
from starlink_nodeagent.processes.procfs import environment_of
from starlink_nodeagent.runtimes.process import supervisor
from starlink_nodeagent.runtimes.process.environment import port_variable
from starlink_nodeagent.runtimes.process.launching import last_run, run_directory
from starlink_nodeagent.runtimes.process.supervisor import Run
from starlink_nodeagent.users.policy import Users
from starlink_nodeagent.users.user import TaskUser

_LAST_PORT = 65_535
_LATEST = 10**9
"""The highest run that is believed where nothing tells how many there were; far below what `_number` reads."""
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Found:
    """`markers` of all runs that have a living process; of those `run` goes on under its supervisor, the latest where
    there are several. `user` is the one that they run as, None where none can be."""

    user: TaskUser | None = None
    markers: tuple[Marker, ...] = ()
    run: Run | None = None


async def find(uid: str, user: TaskUser | None, directory: Path, processes: Processes, known: int = 0) -> Found:
    """What lives of an Assignment and runs as `user`; `directory` is its instance's, and `known` the latest run that
    its record tells of. Raises OSError.

    The agent makes a run's directory before the run, so a run with a higher number than these was made up by the task:
    it is among the markers, to be ended, and never goes on in the place of the true one.
    """
    if user is None:
        return Found()
    snapshot = await processes.snapshot(user.uid)
    markers = tuple(Marker(run, user.uid, user.alone) for run in snapshot.runs_of(uid) if _number(run) is not None)
    latest = max(known, last_run(directory)) or _LATEST
    runs = {}
    for marker in markers:
        pid, number = supervisor.supervisor_among(snapshot.members(marker, None), user.uid), _number(marker.run)
        if pid is not None and number is not None and number <= latest:
            runs[number] = Run(pid, marker, run_directory(directory, number))
    return Found(user, markers, runs[max(runs)] if runs else None)


def user_of(record: Record, directory: Path, host: Host) -> TaskUser | None:
    """As whom what lives of a record's Assignment runs; None when nothing can."""
    if record.user is not None:
        return record.user
    if (found := owner(directory, host.users)) is not None:
        return found
    with contextlib.suppress(NotYet):  # no number is left for its Task, so nothing runs with one
        return host.users.of(record.namespace, record.task or record.name, host.users_taken())
    return None


def owner(directory: Path, users: Users) -> TaskUser | None:
    """The user that owns what an instance's directory gives to its task; None when it gives nothing."""
    with contextlib.suppress(OSError):
        return users.owner(directory / WORK)
    return None


async def end(markers: Iterable[Marker], processes: Processes) -> None:
    """Kills all processes of these runs."""
    for marker in markers:
        await supervisor.sweep(marker, None, processes)


def adopt(found: Found, record: Record) -> None:
    """Makes the record say of the run that goes on what only the run knows, where the record was older or lost."""
    assert found.run is not None
    record.user, record.prepared, record.parked = found.user, True, False
    record.run = _number(found.run.marker.run) or record.run
    if any(port.name not in record.ports for port in record.template.ports):
        record.ports = _ports(record, environment_of(found.run.pid))


def end_of_last(found: Found, record: Record, directory: Path) -> Exit | None:
    """How the last run ended, for a record that has not counted that yet; None when the next one is no restart."""
    latest = last_run(directory)
    if latest <= record.run:
        known = record.run and not record.parked and run_directory(directory, record.run).is_dir()
        return supervisor.exit_of(run_directory(directory, record.run)) if known else None
    exit_ = supervisor.exit_of(run_directory(directory, latest))
    if exit_.code is None and not exit_.signal:
        return None
    record.run, record.user = latest, record.user or found.user
    return exit_ if record.user is not None else None


def _number(run: str) -> int | None:
    """The number in a run's marker, which a process can write as it likes."""
    digits = run.rpartition("/")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else None


def _ports(record: Record, environment: dict[str, str]) -> dict[str, int]:
    """The ports that a run was started with."""
    found = {}
    for port in record.template.ports:
        text = environment.get(port_variable(port.name), "")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        found[port.name] = record.ports.get(port.name) or (number if 0 < number <= _LAST_PORT else port.port)
    return {name: number for name, number in found.items() if number}
