"""What lives of an Assignment, whoever started it and whatever its record says of it.

A record may be older than the truth: the agent was killed while the disk was full, or the file was damaged, or
somebody put back an old copy. The processes are the truth. They are known by STARLINK_RUN and by their user.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlink_nodeagent.layout import last_run, run_directory
from starlink_nodeagent.processes.processes import Marker, Processes
from starlink_nodeagent.processes.procfs import environment_of
from starlink_nodeagent.runtimes.contract import RunContext
from starlink_nodeagent.runtimes.supervision import supervisor
from starlink_nodeagent.runtimes.supervision.environment import port_variable
from starlink_nodeagent.runtimes.supervision.supervisor import Run
from starlink_nodeagent.users.user import TaskUser

_LAST_PORT = 65_535
_LATEST = 10**9
"""The highest run that is believed where nothing tells how many there were; far below what `_number` reads."""
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Found:
    """`markers` of all runs that have a living process; of those `run` goes on under its supervisor, the latest where
    there are several."""

    markers: tuple[Marker, ...] = ()
    run: Run | None = None


async def find(run: RunContext, processes: Processes) -> Found:
    """What lives of the run's instance. Raises OSError.

    The agent makes a run's directory before the run, so a run with a higher number than these was made up by the task:
    it is among the markers, to be ended, and never goes on in the place of the true one.
    """
    if run.user is None:
        return Found()
    snapshot = await processes.snapshot(run.user.uid)
    found = tuple(Marker(one, run.user.uid, run.user.alone) for one in snapshot.runs_of(run.uid) if _is_run(one))
    latest = max(run.number, last_run(run.directory)) or _LATEST
    runs = {}
    for marker in found:
        pid, number = supervisor.supervisor_among(snapshot.members(marker, None), run.user.uid), _number(marker.run)
        if pid is not None and number is not None and number <= latest:
            runs[number] = Run(pid, marker, run_directory(run.directory, number))
    if not runs:
        return Found(found)
    going = runs[max(runs)]
    going.ports = _ports(run, going.pid)
    return Found(found, going)


async def markers(run: RunContext, processes: Processes) -> tuple[Marker, ...]:
    """Those of all runs of the instance that have a living process. Raises OSError."""
    if run.user is None:
        return ()
    snapshot = await processes.snapshot(run.user.uid)
    return tuple(Marker(one, run.user.uid, run.user.alone) for one in snapshot.runs_of(run.uid) if _is_run(one))


def last(run: RunContext) -> Run | None:
    """The last run, which has ended, when its end is not counted yet; None when the next one is no restart. Raises
    OSError."""
    latest = last_run(run.directory)
    if latest <= run.number:
        is_open = run.number and not run.counted and run_directory(run.directory, run.number).is_dir()
        return _over(run, run.number) if is_open else None
    exit_ = supervisor.exit_of(run_directory(run.directory, latest))
    return _over(run, latest) if exit_.code is not None or exit_.signal else None


def _over(run: RunContext, number: int) -> Run | None:
    if run.user is None:
        return None
    marker = Marker(f"{run.uid}/{number}", run.user.uid, run.user.alone)
    return Run(0, marker, run_directory(run.directory, number), alive=False)


def marker_of(run: RunContext) -> Marker:
    """What the processes of a run are known by."""
    user = user_of(run)
    return Marker(run.id, user.uid, user.alone)


def user_of(run: RunContext) -> TaskUser:
    """As whom a run is started."""
    assert run.user is not None, "a user is given before anything is prepared"
    return run.user


def _is_run(marker: str) -> bool:
    return _number(marker) is not None


def _number(marker: str) -> int | None:
    """The number in a run's marker, which a process can write as it likes."""
    digits = marker.rpartition("/")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else None


def _ports(run: RunContext, pid: int) -> Mapping[str, int]:
    """The ports that a run was started with, where the record does not tell all of them."""
    if all(port.name in run.ports for port in run.template.ports):
        return run.ports
    environment, found = environment_of(pid), {}
    for port in run.template.ports:
        text = environment.get(port_variable(port.name), "")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        found[port.name] = run.ports.get(port.name) or (number if 0 < number <= _LAST_PORT else port.port)
    return {name: number for name, number in found.items() if number}
