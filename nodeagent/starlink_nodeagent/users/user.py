"""A user of the operating system as whom a task's processes run."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class TaskUser:
    """`name` is what USER says. `alone`: all that runs as the user is one Task's, and may be ended as a whole."""

    name: str
    uid: int
    gid: int
    alone: bool = False

    def popen(self) -> dict[str, Any]:
        """What subprocess.Popen needs to run as the user, in no group but its own."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def oneself() -> TaskUser:
    """The user that the agent has."""
    return TaskUser(name_of(os.geteuid()), os.geteuid(), os.getegid())


def name_of(uid: int) -> str:
    """What the machine calls a user, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_known(uid: int) -> bool:
    """Whether the machine has a name for the user."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def owner_of(work: Path) -> TaskUser:
    """Whom an instance was given to, told by its directory: that is the agent's to give away. Raises OSError."""
    about = work.stat(follow_symlinks=False)
    return TaskUser(name_of(about.st_uid), about.st_uid, about.st_gid)
