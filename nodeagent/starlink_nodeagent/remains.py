"""What an earlier agent left and its journal does not tell of: directories without a readable record, and processes of
Assignments of which nothing is held.

None of it is stopped or removed before it is known what it is. What the API declares becomes an instance again, which
finds its own processes and goes on with them. What nobody declares is kept, and named, while something of it lives.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping

from starlink.api.assignment import Assignment
from starlink_nodeagent import survivors
from starlink_nodeagent.host import Host
from starlink_nodeagent.record import WORK, Record
from starlink_nodeagent.survivors import Found
from starlink_nodeagent.user import TaskUser, owner_of

log = logging.getLogger(__name__)


class Remains:
    """`unknown` are the UIDs of directories without a readable record."""

    def __init__(self, unknown: Iterable[str], host: Host) -> None:
        self._unknown = {*unknown}
        self._host = host
        self._looked = False
        self.orphans: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether nothing is left to decide."""
        return self._looked and not self._unknown

    def users(self) -> dict[int, tuple[str, str]]:
        """The users' numbers that these have, with a name for each that is no Task's."""
        owners = {uid: self._owner(uid) for uid in self._unknown}
        return {owner.uid: ("", uid) for uid, owner in owners.items() if owner is not None}

    async def settle(
        self, declared: Mapping[str, Assignment], held: Iterable[str], record_of: Callable[[Assignment], Record]
    ) -> list[Record]:
        """The records of what is declared and was there before this agent: by UID what the API declares, `held` of
        which instances are. Raises OSError; what was not settled then is settled by another call."""
        if self.settled:
            return []
        found = [declared[uid] for uid in sorted(self._unknown & declared.keys())]
        if not self._looked:
            found += await self._living(_not_held(declared, {*held, *self._unknown}), record_of)
        for assignment in found:
            await self._host.journal.set_aside(assignment.uid)
        self._unknown.difference_update(declared)
        self.orphans = await self._undeclared()
        self._looked = True
        return [record_of(assignment) for assignment in found]

    async def _living(
        self, assignments: list[Assignment], record_of: Callable[[Assignment], Record]
    ) -> list[Assignment]:
        """Those of which a process lives, though there is no directory of them."""
        found = await asyncio.gather(*(self._find(record_of(assignment)) for assignment in assignments))
        return [assignment for assignment, one in zip(assignments, found, strict=True) if one.markers]

    async def _find(self, record: Record) -> Found:
        directory = self._host.journal.directory(record.uid)
        user = survivors.user_of(record, directory, self._host)
        return await survivors.find(record.uid, user, directory, self._host.processes)

    async def _undeclared(self) -> tuple[str, ...]:
        """Removes what nobody declares and nothing lives of; names the others."""
        alive = []
        for uid in sorted(self._unknown):
            directory = self._host.journal.directory(uid)
            found = await survivors.find(uid, self._owner(uid), directory, self._host.processes)
            if found.markers:
                alive.append(uid)
            else:
                log.warning("an instance without a record is removed: nothing of it lives", extra={"uid": uid})
                await self._host.journal.forget(uid)
                self._unknown.discard(uid)
        return tuple(alive)

    def _owner(self, uid: str) -> TaskUser | None:
        with contextlib.suppress(OSError):
            return owner_of(self._host.journal.directory(uid) / WORK)
        return None


def _not_held(declared: Mapping[str, Assignment], known: set[str]) -> list[Assignment]:
    """Those that may run and that nothing is known of."""
    return [one for uid, one in sorted(declared.items()) if uid not in known and not one.finished]
