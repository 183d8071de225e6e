"""What all instances of an agent share: where things lie, the users that they run as, and the clock."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from starlink.api.template import Artifact
from starlink_nodeagent.failure import Failure
from starlink_nodeagent.journal import Journal
from starlink_nodeagent.processes import Processes
from starlink_nodeagent.record import Record, is_uid
from starlink_nodeagent.threads import Slots
from starlink_nodeagent.uids import Task
from starlink_nodeagent.user import TaskUser
from starlink_nodeagent.users import Users

log = logging.getLogger(__name__)

_OTHERS: Task = ("", "")
"""Whose a number is that is no Task's of this agent."""
FETCHES, UNPACKS = 16, 2
"""At once: a fetch waits most of its time, unpacking takes up to 80 MiB of memory."""


@dataclass
class Host:
    """`now` is epoch seconds; `path` the PATH of instances; `ports_of_others` the picked ports of all but one.
    `users_taken` says which Task has which user's number: those of all records that are held, whatever their phase.
    `allow_local_artifacts` lets artifacts be fetched from loopback and link-local addresses.
    """

    server: str
    journal: Journal
    cache: Path
    artifact_dir: Path | None
    users: Users
    path: str
    now: Callable[[], float]
    ports_of_others: Callable[[str], Iterable[int]] = lambda _uid: ()
    users_taken: Callable[[], Mapping[int, Task]] = dict
    allow_local_artifacts: bool = False
    processes: Processes = field(default_factory=Processes)
    fetches: Slots = field(default_factory=lambda: Slots(FETCHES))
    unpacks: Slots = field(default_factory=lambda: Slots(UNPACKS))
    _fetching: WeakValueDictionary[Artifact, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _clearing: dict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """By user, held while its processes are ended: an instance of the same Task starts after that."""
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    def ports_in_use(self, uid: str) -> set[int]:
        """The ports that other instances of this server have."""
        return set(self.ports_of_others(uid))

    async def give_user(self, record: Record) -> None:
        """Notes in the record as whom the instance runs: as its Task's user. When the Task had none here, nothing else
        runs as that user afterwards. Raises Failure."""
        if record.user is not None:
            return
        taken = dict(self.users_taken())
        while True:
            # Noted before anything is waited for, so that no other Task gets the user meanwhile.
            user = record.user = self.users.of(record.namespace, record.task or record.name, taken)
            if user.uid in taken or not user.alone:
                return
            async with self._clearing[user.uid]:
                if not await self._is_used(user):
                    await self.users.clear(user)
                    return
            log.warning("a user's number is passed over: instances of another agent run as it", extra={"uid": user.uid})
            taken[user.uid] = _OTHERS

    async def _is_used(self, user: TaskUser) -> bool:
        """Whether instances run as the user of which this agent knows nothing. Agents claim their numbers, but a claim
        may be lost; nothing of another agent's is ended for that."""
        found = (await self.processes.snapshot(user.uid)).assignments(user.uid)
        return any(is_uid(uid) and not self.journal.directory(uid).exists() for uid in found)

    async def release_user(self, record: Record) -> None:
        """Ends what still runs as the user of an instance that is no longer held, if it was its Task's last one here.
        What can't be ended keeps the user from being another Task's."""
        user = record.user
        if user is None:
            return
        async with self._clearing[user.uid]:
            if user.uid not in self.users_taken():
                try:
                    await self.users.clear(user)
                except Failure as failure:
                    log.error("%s", failure)

    def fetching(self, artifact: Artifact) -> asyncio.Lock:
        """Held while an archive is fetched, so that instances share one fetch. Of one URL alone: a slow server that has
        the same archive holds up nobody else's."""
        return self._fetching.setdefault(artifact, asyncio.Lock())

    async def turn(self) -> None:
        """Waits for a turn of the event loop: of all that wait, one goes on each time, so that a hundred steps that
        write to the disk let a heartbeat through in between."""
        async with self._turns:
            await asyncio.sleep(0)
