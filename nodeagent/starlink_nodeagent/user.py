"""Whom instances run as: as root an unprivileged user, else the agent's own."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_USER = "nobody"


class UnknownUser(Exception):
    """The message names the user and what to do."""


@dataclass(frozen=True, slots=True)
class TaskUser:
    """`uid` None: the agent's own user, nothing is changed."""

    name: str
    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Gives a new directory to the user, and to no one else."""
        path.chmod(0o700)
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def own_tree(self, root: Path) -> None:
        """Gives an unpacked tree to the user; links are not followed."""
        self.own(root)
        if self.uid is None or self.gid is None:
            return
        for folder, names, files in os.walk(root):
            for name in (*names, *files):
                os.chown(os.path.join(folder, name), self.uid, self.gid, follow_symlinks=False)

    def popen(self) -> dict[str, Any]:
        """What subprocess.Popen needs to run as the user."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def task_user(name: str | None) -> TaskUser:
    """As root the named user, else `nobody`; without root only oneself will do. Raises UnknownUser."""
    own = pwd.getpwuid(os.geteuid())
    if os.geteuid() != 0:
        if name not in (None, own.pw_name):
            raise UnknownUser(f"--task-user {name}: only root can run tasks as another user; leave it out")
        return TaskUser(own.pw_name)
    try:
        entry = pwd.getpwnam(name or DEFAULT_USER)
    except KeyError:
        raise UnknownUser(
            f"--task-user {name or DEFAULT_USER}: there is no such user; create it, or name another"
        ) from None
    if entry.pw_uid == 0:
        return TaskUser(entry.pw_name)
    return TaskUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
