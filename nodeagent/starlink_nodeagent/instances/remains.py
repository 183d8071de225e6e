"""What an earlier agent left and its journal does not tell of: directories without a readable record, and processes of
Assignments of which nothing is held.

None of it is stopped, removed or started before it is known what it is, and what can't be told of one yet holds up
none of the others. What the API declares becomes an instance again, which
finds its own processes and goes on with them. What nobody declares is kept, and named, while something of it lives.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping

from starlink.api.assignment import Assignment
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.users.user import TaskUser

log = logging.getLogger(__name__)

_TROUBLE = (OSError, RuntimeError, NotYet)
"""Of one instance or of the machine: tried again."""


class Remains:
    """`unknown` are the UIDs of directories without a readable record."""

    def __init__(self, unknown: Iterable[str], host: Host) -> None:
        self._unknown = {*unknown}
        self._unheld: set[str] | None = None
        """Declared when the agent first heard what is, not held, and not looked for yet."""
        self._host = host
        self.orphans: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether nothing is left to decide."""
        return self._unheld is not None and not self.undecided

    @property
    def undecided(self) -> frozenset[str]:
        """The UIDs of which something may live that is not known yet: nothing of them may be started."""
        return frozenset(self._unknown | (self._unheld or set()))

    def users(self) -> dict[str, TaskUser]:
        """The users that own these directories, by UID."""
        owners = {uid: self._host.owner(uid) for uid in self._unknown}
        return {uid: owner for uid, owner in owners.items() if owner is not None}

    async def settle(
        self,
        declared: Mapping[str, Assignment],
        held: Iterable[str],
        record_of: Callable[[Assignment], Record],
        unread: Collection[str] = (),
    ) -> list[Record]:
        """The records of what is declared and was there before this agent: by UID what the API declares, `held` of
        which instances are, and `unread` what can't be read, of which nothing is made or removed. What could not be
        settled is settled by another call."""
        if self.settled:
            return []
        if self._unheld is None:
            self._unheld = {uid for uid, one in declared.items() if not one.finished} - {*held, *self._unknown}
        self._unheld &= declared.keys()
        for uid in self._unheld & {*unread}:
            await self._rule_out(record_of(declared[uid]))
        clear = declared.keys() - {*unread}
        records = [record_of(declared[uid]) for uid in sorted(self.undecided & clear)]
        lives = await asyncio.gather(*map(self._recognize, records))
        self.orphans = await self._undeclared(self._unknown - declared.keys())
        # Nothing is waited for from here on: each user is an undecided directory's or a held record's.
        return [
            record for record, one in zip(records, lives, strict=True) if one is not None and self._take(record, one)
        ]

    async def _rule_out(self, record: Record) -> None:
        """Decides about one that can't be read, where nothing of it is here."""
        assert self._unheld is not None
        try:
            if not self._host.journal.has(record.uid) and not await self._host.lives(record):
                self._unheld.discard(record.uid)
        except _TROUBLE as error:
            log.warning("what lives of an instance can't be told yet: %s", error, extra={"assignment": str(record.key)})

    def _take(self, record: Record, lives: bool) -> bool:
        """Decides about one; whether it was there before."""
        known = record.uid in self._unknown
        self._unknown.discard(record.uid)
        assert self._unheld is not None
        self._unheld.discard(record.uid)
        if lives:
            self._host.went_on(record)
        return known or lives

    async def _recognize(self, record: Record) -> bool | None:
        """Whether processes of a record's Assignment live; None when that can't be told yet. Notes in the record the
        user that is known to be its own."""
        try:
            user, owner = self._host.user_of(record), self._host.owner(record.uid)
            lives = await self._host.lives(record)
        except _TROUBLE as error:
            log.warning("what lives of an instance can't be told yet: %s", error, extra={"assignment": str(record.key)})
            return None
        if lives:
            record.user = user
        elif owner is not None and owner.alone:
            record.user = owner
        return await self._make_way(record, lives)

    async def _make_way(self, record: Record, lives: bool) -> bool | None:
        """Makes way for what is made of a record. What lives goes on though its disk takes nothing, so that it can be
        stopped; what does not waits for the disk."""
        try:
            await self._host.journal.make_way(record.uid)
        except OSError as error:
            log.warning("a damaged record can't be set aside yet: %s", error, extra={"assignment": str(record.key)})
            return lives or None
        return lives

    async def _undeclared(self, unknown: Iterable[str]) -> tuple[str, ...]:
        """Removes what nobody declares and nothing lives of; names the others. What can't be removed is tried again by
        another call, and holds up nothing."""
        alive = []
        for uid in sorted(unknown):
            try:
                if await self._host.anything_lives(uid):
                    alive.append(uid)
                else:
                    await self._remove(uid)
            except _TROUBLE as error:
                log.warning("an instance without a record could not be removed yet: %s", error, extra={"uid": uid})
        return tuple(alive)

    async def _remove(self, uid: str) -> None:
        """Raises OSError, NotYet."""
        if self._host.journal.is_half_removed(uid):
            log.info("the removal of an instance goes on", extra={"uid": uid})
        else:
            log.warning("an instance without a record is removed: nothing of it lives", extra={"uid": uid})
        await self._host.release_user(uid, self._host.owner(uid))
        await self._host.journal.forget(uid)
        self._unknown.discard(uid)
