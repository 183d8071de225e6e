"""As whom the tasks of this server run: each as a user of its own, all as one, or all as the agent itself."""

import contextlib
import grp
import logging
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlink.files import durable
from starlink_nodeagent import claims, clearing, uids
from starlink_nodeagent.failure import Failure
from starlink_nodeagent.user import TaskUser, name_of

log = logging.getLogger(__name__)

TASK_UIDS = "task-uids"
"""The file in the agent's data directory that says which numbers its tasks have."""
OUT_OF_USERS = "OutOfTaskUsers"


class UnknownUser(Exception):
    """The message names the option and what to do."""


@dataclass(frozen=True, slots=True)
class Users:
    """Each Task has one of these `numbers`, or all run as the one user `shared`."""

    numbers: uids.Range | None = None
    shared: TaskUser | None = None

    def of(self, namespace: str, task: str, taken: Mapping[int, uids.Task]) -> TaskUser:
        """The user of a Task. `taken` says which Task has a number already. Raises Failure when there is none left."""
        if self.shared is not None:
            return self.shared
        assert self.numbers is not None
        number = uids.choose((namespace, task), self.numbers, taken)
        if number is None:
            raise Failure(
                OUT_OF_USERS,
                f"each of the {self.numbers.size} users {self.numbers} is another task's on this server; "
                "give its agent more with --task-uids FIRST-LAST",
            )
        return TaskUser(str(number), number, number, self.numbers.spare)

    async def clear(self, user: TaskUser) -> None:
        """Ends whatever still runs as a user, when the user is one Task's alone; nothing of others is touched. Called
        when the last instance of a Task has gone, and before a number is given to a Task that had none here."""
        if user.spare is not None and os.geteuid() == 0:
            await clearing.clear(user.uid, user.spare)

    def __str__(self) -> str:
        """As `up` says it: "each task runs as …"."""
        if self.shared is not None:
            return f"tasks run as {self.shared.name}"
        return f"each task runs as a user of its own (uids {self.numbers})"


def users(task_user: str | None, task_uids: str | None, note: Path) -> Users:
    """What the agent's options say: as root each Task gets a user of its own unless one is named; without root only
    oneself will do. Called once in a process.

    `note` is the file where the range is kept from one start of the agent to the next, and told to people. Raises
    UnknownUser, BadRange.
    """
    shared = check(task_user, task_uids)
    if shared is not None:
        return Users(shared=shared)
    wanted = uids.candidates(task_uids, _noted(note), _machine())
    numbers = next((one for one in wanted if claims.take(one, note.parent)), None)
    if numbers is None:
        raise _held(wanted[0], claims.holder(wanted[0], note.parent))
    if _noted(note) != numbers:
        _write(note, numbers)
    return Users(numbers)


def check(task_user: str | None, task_uids: str | None, data_dir: Path | None = None) -> TaskUser | None:
    """The user that all tasks share by these options, None when each gets its own. `data_dir` is that of the agent:
    where it is given, the numbers must not be another agent's. Raises UnknownUser, BadRange."""
    if task_user is not None and task_uids is not None:
        raise UnknownUser(f"--task-user {task_user} and --task-uids {task_uids}: give one of them, not both")
    if os.geteuid() != 0:
        return _oneself(task_user, task_uids)
    if task_user is not None:
        return _named(task_user)
    wanted = uids.candidates(task_uids, None, _machine())
    if task_uids is not None and data_dir is not None and (holder := claims.holder(wanted[0], data_dir)):
        raise _held(wanted[0], holder)
    return None


def _held(numbers: uids.Range, holder: str) -> uids.BadRange:
    return uids.BadRange(
        f"--task-uids {numbers}: the agent of {holder or 'another data directory'} has some of them, or its instances "
        "have; give each agent of a machine a range of its own"
    )


def _write(note: Path, numbers: uids.Range) -> None:
    """Where it can't be written the agent starts all the same: what has a user keeps it, as its record says."""
    try:
        durable.replace(note, f"{numbers}\n".encode())
    except OSError as error:
        log.warning("the range of the tasks' users could not be written to %s: %s", note, error)


def _noted(note: Path) -> uids.Range | None:
    try:
        return uids.parse(note.read_text().strip())
    except (OSError, ValueError):
        return None


def _oneself(task_user: str | None, task_uids: str | None) -> TaskUser:
    uid = os.geteuid()
    name = name_of(uid)
    if task_uids is not None:
        raise uids.BadRange(f"--task-uids {task_uids}: only root can give tasks users of their own; leave it out")
    if task_user not in (None, name):
        raise UnknownUser(f"--task-user {task_user}: only root can run tasks as another user; leave it out")
    return TaskUser(name, uid, os.getegid())


def _named(name: str) -> TaskUser:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise UnknownUser(f"--task-user {name}: there is no such user; create it, or name another") from None
    return TaskUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _machine() -> uids.Machine:
    """What this machine says of the numbers of its users and groups."""
    known = [(uids.Range(entry.pw_uid, entry.pw_uid), f"the user {entry.pw_name}") for entry in pwd.getpwall()]
    known += [(uids.Range(entry.gr_gid, entry.gr_gid), f"the group {entry.gr_name}") for entry in grp.getgrall()]
    for name in ("subuid", "subgid"):
        with contextlib.suppress(OSError):
            known += uids.subordinate(Path("/etc", name).read_text(errors="replace"))
    uid_map, gid_map = (uids.mapped(Path("/proc/self", name).read_text()) for name in ("uid_map", "gid_map"))
    return uids.Machine(uid_map, gid_map, known)
