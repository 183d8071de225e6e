"""A user of the operating system as whom a task's processes run."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class TaskUser:
    """`name` is what USER says. `spare`: a user as whom nothing runs, where the number is one Task's own (see
    clearing.clear); None where others may run as the same user."""

    name: str
    uid: int
    gid: int
    spare: int | None = None

    @property
    def alone(self) -> bool:
        """Whether all that runs as the user is one Task's."""
        return self.spare is not None

    def popen(self) -> dict[str, Any]:
        """What subprocess.Popen needs to run as the user, in no group but its own."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def name_of(uid: int) -> str:
    """What the machine calls a user, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def owner_of(work: Path) -> TaskUser:
    """Whom an instance was given to, told by its directory: that is the agent's to give away. Raises OSError."""
    about = work.stat(follow_symlinks=False)
    return TaskUser(name_of(about.st_uid), about.st_uid, about.st_gid)
