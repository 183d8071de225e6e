"""As whom the tasks of this server run: each as a user of its own, all as one, or all as the agent itself."""

import contextlib
import grp
import logging
import os
import pwd
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from starlink.files import durable
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.users import claims, uids
from starlink_nodeagent.users.user import TaskUser, is_known, oneself, owner_of

log = logging.getLogger(__name__)

OUT_OF_USERS = "OutOfTaskUsers"


class UnknownUser(Exception):
    """The message names the option and what to do."""


@dataclass(frozen=True, slots=True)
class Users:
    """Each Task has one of these `numbers`, or all run as the one user `shared`. `claimed` are all ranges from which
    Tasks of this agent got numbers, in earlier starts too; `foreign` are those that other agents claimed."""

    numbers: uids.Range | None = None
    shared: TaskUser | None = None
    claimed: tuple[uids.Range, ...] = ()
    foreign: tuple[uids.Range, ...] = ()

    def has(self, number: int) -> bool:
        """Whether a number is this agent's to give: claimed by it and by no other."""
        ranges = [numbers for numbers in (self.numbers, *self.claimed) if numbers is not None]
        return any(number in one for one in ranges) and not self.is_foreign(number)

    def is_foreign(self, number: int) -> bool:
        """Whether another agent claimed a number."""
        return any(number in one for one in self.foreign)

    def of(self, namespace: str, task: str, taken: Mapping[int, uids.Task]) -> TaskUser:
        """The user of a Task. `taken` says which Task has a number already. Raises NotYet when there is none left."""
        if self.shared is not None:
            return self.shared
        assert self.numbers is not None
        number = uids.choose((namespace, task), self.numbers, taken)
        if number is None:
            raise NotYet(
                OUT_OF_USERS,
                f"each of the {self.numbers.size} users {self.numbers} is another task's on this server; it starts "
                "once one of those tasks has left it, or give its agent more users with --task-uids FIRST-LAST",
                costly=False,
            )
        return TaskUser(str(number), number, number, alone=True)

    def spares(self, taken: Container[int]) -> Iterator[int]:
        """Numbers that are no Task's of this agent, the best first: the one of the range that no Task gets, others of
        the range, and where all of these are taken those that no Task of an agent with a default range gets."""
        for numbers in (self.numbers, *self.claimed):
            if numbers is not None:
                yield from (number for number in range(numbers.first, numbers.last + 1) if number not in taken)
        with contextlib.suppress(uids.BadRange):
            usable = uids.candidates(None, None, _machine())
            yield from (numbers.spare for numbers in usable if numbers.spare not in taken)

    def owner(self, work: Path) -> TaskUser:
        """The user that an instance was given to, told by its directory. Raises OSError."""
        owner = owner_of(work)
        return replace(owner, alone=self._is_one_tasks(owner.uid))

    def _is_one_tasks(self, number: int) -> bool:
        """Whether a number that owns an instance's files is one Task's alone, whatever this agent's options are."""
        if os.geteuid() != 0 or number == 0 or (self.shared is not None and number == self.shared.uid):
            return False
        ranges = [numbers for numbers in (self.numbers, *self.claimed) if numbers is not None]
        return any(number in numbers for numbers in ranges) or not is_known(number)

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
        if os.geteuid() != 0:
            return Users(shared=shared)
        return Users(None, shared, claims.own(note.parent), claims.foreign(note.parent))
    wanted = uids.candidates(task_uids, _noted(note), _machine())
    numbers = claims.take(wanted, note.parent)
    if numbers is None:
        raise _held(wanted[0], claims.holder(wanted[0], note.parent))
    if _noted(note) != numbers:
        _write(note, numbers)
    return Users(numbers, None, claims.own(note.parent), claims.foreign(note.parent))


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
    own = oneself()
    if task_uids is not None:
        raise uids.BadRange(f"--task-uids {task_uids}: only root can give tasks users of their own; leave it out")
    if task_user not in (None, own.name):
        raise UnknownUser(f"--task-user {task_user}: only root can run tasks as another user; leave it out")
    return own


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
