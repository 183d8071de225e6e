"""Directories that `up` and `agent` are pointed at: whether they serve."""

import os
from pathlib import Path

from starlink.cli.settings import AgentSettings

_NOBODY = 65534
"""Stands for all users that own nothing and are in no group."""


class BadPlace(Exception):
    """The message names the option, the directory and what to do."""


def check(settings: AgentSettings, data_dir: Path) -> None:
    """Raises BadPlace when the artifact dir is not there, or tasks can't reach the agent's data directory."""
    if settings.artifact_dir and not Path(settings.artifact_dir).is_dir():
        raise BadPlace(
            f"--artifact-dir {settings.artifact_dir}: there is no such directory; make it, name another, or '' for none"
        )
    if os.geteuid() == 0 and (closed := _closed(data_dir, settings.task_user)) is not None:
        raise BadPlace(
            f"--data-dir {data_dir}: {_whom(settings.task_user)}, who can't pass {closed}; "
            f"chmod o+x {closed}, or name another --data-dir, such as one below /var/lib"
        )


def _whom(task_user: str) -> str:
    return f"tasks run as {task_user}" if task_user else "tasks run as users of their own"


def _closed(path: Path, task_user: str) -> Path | None:
    """The first directory on the way that the tasks' user can't enter; what is not there yet will be open."""
    from starlink_nodeagent.users import rights
    from starlink_nodeagent.users.policy import check
    from starlink_nodeagent.users.user import TaskUser

    try:
        with rights.of(check(task_user or None, None) or TaskUser("nobody", _NOBODY, _NOBODY)):
            return next((part for part in _existing(path) if not rights.can_enter(part)), None)
    except PermissionError:  # nobody can be asked for here, so nobody knows
        return None


def _existing(path: Path) -> list[Path]:
    parts = [*reversed(path.parents), path]
    return [part for part in parts if os.path.lexists(part)]
