"""What an earlier agent left and its journal does not tell of: directories without a readable record, and processes of
Assignments of which nothing is held.

None of it is stopped or removed before it is known what it is. What the API declares becomes an instance again, which
finds its own processes and goes on with them. What nobody declares is kept, and named, while something of it lives.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from starlink.api.assignment import Assignment
from starlink_nodeagent import survivors
from starlink_nodeagent.failure import NotYet
from starlink_nodeagent.host import Host
from starlink_nodeagent.record import Record
from starlink_nodeagent.survivors import Found
from starlink_nodeagent.user import TaskUser

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

    def users(self) -> dict[str, TaskUser]:
        """The users that own these directories, by UID."""
        owners = {uid: self._owner(uid) for uid in self._unknown}
        return {uid: owner for uid, owner in owners.items() if owner is not None}

    async def settle(
        self, declared: Mapping[str, Assignment], held: Iterable[str], record_of: Callable[[Assignment], Record]
    ) -> list[Record]:
        """The records of what is declared and was there before this agent: by UID what the API declares, `held` of
        which instances are. Raises OSError; what was not settled then is settled by another call."""
        if self.settled:
            return []
        records = [record_of(declared[uid]) for uid in sorted(self._unknown & declared.keys())]
        alive = await asyncio.gather(*map(self._recognize, records))
        if not self._looked:
            others = [record_of(one) for one in _not_held(declared, {*held, *self._unknown})]
            lives = await asyncio.gather(*map(self._recognize, others))
            records += [record for record, one in zip(others, lives, strict=True) if one]
            alive += [True] * sum(lives)
        for record in records:
            await self._host.journal.set_aside(record.uid)
        self.orphans = await self._undeclared(self._unknown - declared.keys())
        # Nothing is waited for from here on: each user is an undecided directory's or a held record's.
        self._unknown.difference_update(declared)
        self._looked = True
        for record in (record for record, one in zip(records, alive, strict=True) if one):
            self._host.went_on(record)
        return records

    async def _recognize(self, record: Record) -> bool:
        """Whether processes of a record's Assignment live. Notes in the record the user that is known to be its own."""
        found, owner = await self._find(record), self._owner(record.uid)
        if found.markers:
            record.user = found.user
        elif owner is not None and owner.alone:
            record.user = owner
        return bool(found.markers)

    async def _find(self, record: Record) -> Found:
        directory = self._host.journal.directory(record.uid)
        user = survivors.user_of(record, directory, self._host)
        return await survivors.find(record.uid, user, directory, self._host.processes)

    async def _undeclared(self, unknown: Iterable[str]) -> tuple[str, ...]:
        """Removes what nobody declares and nothing lives of; names the others. What can't be removed is tried again by
        another call, and holds up nothing."""
        alive = []
        for uid in sorted(unknown):
            try:
                if await self._lives(uid):
                    alive.append(uid)
                else:
                    await self._remove(uid)
            except (OSError, RuntimeError, NotYet) as error:
                log.warning("an instance without a record could not be removed yet: %s", error, extra={"uid": uid})
        return tuple(alive)

    async def _lives(self, uid: str) -> bool:
        directory = self._host.journal.directory(uid)
        return bool((await survivors.find(uid, self._owner(uid), directory, self._host.processes)).markers)

    async def _remove(self, uid: str) -> None:
        """Raises OSError, NotYet."""
        log.warning("an instance without a record is removed: nothing of it lives", extra={"uid": uid})
        await self._host.release_user(uid, self._owner(uid))
        await self._host.journal.forget(uid)
        self._unknown.discard(uid)

    def _owner(self, uid: str) -> TaskUser | None:
        return survivors.owner(self._host.journal.directory(uid), self._host.users)


def _not_held(declared: Mapping[str, Assignment], known: set[str]) -> list[Assignment]:
    """Those that may run and that nothing is known of."""
    return [one for uid, one in sorted(declared.items()) if uid not in known and not one.finished]
