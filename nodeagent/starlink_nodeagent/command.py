"""What an instance starts, and where: found before it is started, so that what is not there is told by its name.

Asked with the task's rights (rights.of), lest a reason tell what lies where only the agent may look: what is out of
the task's reach is told in the same words as what is not there.
"""

from pathlib import Path

from starlink.api.template import Template
from starlink_nodeagent import rights
from starlink_nodeagent.failure import Failure

DEFAULT_COMMAND = "./start.sh"


def directory_of(template: Template, work: Path) -> Path:
    """Where the command starts: `work`, or workingDir below it. Raises Failure when it is not there."""
    directory = work / template.working_dir
    if not rights.can_enter(directory):
        raise Failure(
            "WorkingDirNotFound",
            f"workingDir {template.working_dir!r} is no directory that the task's user can enter; "
            "write one that the artifact holds",
        )
    return directory


def command_of(template: Template, directory: Path, path: str) -> list[str]:
    """The command with its arguments; a bare name is looked for in `path`, as PATH. Raises Failure when it can't be
    run."""
    command = [*(template.command or (DEFAULT_COMMAND,)), *template.args]
    if "/" in command[0]:
        _check_file(command[0], directory)
    else:
        _check_name(command[0], directory, path)
    return command


def _check_file(name: str, directory: Path) -> None:
    path = directory / name
    if not rights.is_file(path):
        raise Failure("CommandNotFound", f"{name} is not there; the command is looked for in the instance's directory")
    if not rights.can_run(path):
        raise Failure("CommandNotExecutable", f"{name} is not executable; pack it with its x bit")


def _check_name(name: str, directory: Path, path: str) -> None:
    """A part of PATH that is empty or relative is meant from where the command starts."""
    if not any(rights.can_run(directory / part / name) for part in path.split(":")):
        raise Failure("CommandNotFound", f"{name} is not found in PATH ({path}); install it, or give its path")
