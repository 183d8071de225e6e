"""What an instance starts, and where: found before it is started, so that what is not there is told by its name."""

import os
import shutil
from pathlib import Path

from starlink.api.template import Template
from starlink_nodeagent.failure import Failure

DEFAULT_COMMAND = "./start.sh"


def directory_of(template: Template, work: Path) -> Path:
    """Where the command starts: `work`, or workingDir below it. Raises Failure when it is not there."""
    directory = work / template.working_dir
    if not directory.is_dir():
        raise Failure(
            "WorkingDirNotFound",
            f"workingDir {template.working_dir!r} is no directory; the artifact has none of that name",
        )
    return directory


def command_of(template: Template, directory: Path, path: str) -> list[str]:
    """The command with its arguments; a bare name is looked for in `path`, as PATH. Raises Failure when it can't be
    run."""
    command = [*(template.command or (DEFAULT_COMMAND,)), *template.args]
    if "/" in command[0]:
        _check_file(command[0], directory)
    else:
        _check_name(command[0], path)
    return command


def _check_file(name: str, directory: Path) -> None:
    path = directory / name
    if not path.is_file():
        raise Failure("CommandNotFound", f"{name} is not there; the command is looked for in the instance's directory")
    if not os.access(path, os.X_OK):
        raise Failure("CommandNotExecutable", f"{name} is not executable; pack it with its x bit")


def _check_name(name: str, path: str) -> None:
    if shutil.which(name, path=path) is None:
        raise Failure("CommandNotFound", f"{name} is not found in PATH ({path}); install it, or give its path")
