"""Starting one run: what is started, where, and with which environment."""

from pathlib import Path

from starlink.files import tree
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.journal.record import WORK, Record
from starlink_nodeagent.processes.processes import Marker
from starlink_nodeagent.runtimes.process import preparation, supervisor
from starlink_nodeagent.runtimes.process.command import command_of, directory_of
from starlink_nodeagent.runtimes.process.environment import environment
from starlink_nodeagent.runtimes.process.supervisor import Run
from starlink_nodeagent.users import rights
from starlink_nodeagent.users.user import TaskUser

RUNS = "runs"
"""Within the instance's directory; it holds a directory a run."""


class Launch:
    """The next run of a record, as its number says by then. `directory` is the instance's."""

    def __init__(self, record: Record, directory: Path, host: Host) -> None:
        self._record, self._directory, self._host = record, directory, host
        self._work = directory / WORK

    def check(self) -> None:
        """Raises Failure when the command or where it starts is not there."""
        self._command()

    def start(self) -> Run:
        """Starts the run. Raises OSError, Failure."""
        command, work = self._command()
        marker, folder = marker_of(self._record), self._directory / preparation.LOGS
        return supervisor.start(
            run_directory(self._directory, self._record.run),
            command,
            work,
            marker,
            self.environment(),
            folder,
            user_of(self._record),
        )

    def environment(self) -> dict[str, str]:
        """That of the run and of its probes."""
        record = self._record
        names = {
            "TASK": record.task,
            "NAMESPACE": record.namespace,
            "ASSIGNMENT": record.name,
            "SLOT": record.slot,
            "SERVER": self._host.server,
        }
        run, user = marker_of(record).run, user_of(record).name
        return environment(record.template, names, record.ports, run, self._host.path, str(self._work), user)

    def _command(self) -> tuple[list[str], str]:
        template = self._record.template
        with rights.of(user_of(self._record)):
            directory = directory_of(template, self._work)
            command = command_of(template, directory, self.environment()["PATH"])
        below = f"../../{WORK}/{template.working_dir}"  # as the run's directory sees it
        return command, str(directory) if template.working_dir.startswith("/") else below


def run_directory(instance: Path, run: int) -> Path:
    return instance / RUNS / str(run)


def last_run(instance: Path) -> int:
    """The highest number of a run whose directory is there, 0 when there is none."""
    try:
        names = [path.name for path in (instance / RUNS).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return max((int(name) for name in names if name.isascii() and name.isdigit()), default=0)


def prune_runs(instance: Path, first: int) -> None:
    """Removes the directories of runs before `first`. Blocks. Raises OSError."""
    for path in (instance / RUNS).iterdir():
        if path.name.isascii() and path.name.isdigit() and int(path.name) < first:
            tree.remove(path)


def marker_of(record: Record) -> Marker:
    """What the processes of the record's run are known by."""
    user = user_of(record)
    return Marker(f"{record.uid}/{record.run}", user.uid, user.alone)


def user_of(record: Record) -> TaskUser:
    assert record.user is not None, "a user is given before anything is prepared"
    return record.user
