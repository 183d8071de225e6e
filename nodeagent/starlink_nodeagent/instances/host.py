"""What all instances of an agent share: journal, runtimes, the users that they run as, and the clock."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlink.api import template_faults
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.template import Template
from starlink.files import tree
from starlink_nodeagent import threads
from starlink_nodeagent.artifacts.artifacts import Artifacts
from starlink_nodeagent.clock import Clock
from starlink_nodeagent.decisions.admission import Refusal
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.layout import WORK
from starlink_nodeagent.processes.processes import Processes
from starlink_nodeagent.runtimes.contract import Finding, Offer, RunContext, Runtime
from starlink_nodeagent.users.clearing import BUSY, Clearing
from starlink_nodeagent.users.policy import Users
from starlink_nodeagent.users.uids import Task
from starlink_nodeagent.users.user import TaskUser, oneself, owner_of

log = logging.getLogger(__name__)

_OTHERS: Task = ("", "")
"""Whose a number is that is no Task's of this agent."""
_MOST_NAMED = 10


@dataclass
class Host:
    """`ports_of_others` are the picked ports of all but one. `records` are those that are held, whatever their phase.
    `undecided` are the users as whom something may live of which it is not known yet what it is, by the instance's UID.
    `keep_logs` keeps the log in a folder within a size and a number of files (see rotation.py).
    """

    server: str
    journal: Journal
    artifacts: Artifacts
    users: Users
    clock: Clock = field(default_factory=Clock)
    server_namespace: str = SERVER_NAMESPACE
    """Where the server's Lease lies."""
    runtimes: dict[str, Runtime[Any]] = field(default_factory=dict)
    """By name."""
    ports_of_others: Callable[[str], Iterable[int]] = lambda _uid: ()
    records: Callable[[], Iterable[Record]] = tuple
    undecided: Callable[[], Mapping[str, TaskUser]] = dict
    findings: dict[str, Finding] = field(default_factory=dict)
    """What instances have found, as read last, by UID."""
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    """Why what is wished for instances that go on can't be, by UID."""
    tell: Callable[[Record], None] = lambda _record: None
    """Says how an instance is, where that is no step of it."""
    keep_logs: Callable[[Path, int, int], None] = lambda _folder, _max_size, _max_files: None
    _clearing: dict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """By user, held while its processes are ended: an instance of the same Task starts after that."""
    _settled: set[str] = field(default_factory=set)
    """The UIDs of instances that may run as their users: nothing else ran as the user when it was given to them."""
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.clearing = Clearing(lambda: self.users.spares(self.users_taken()))
        self.processes = Processes(self.clearing.clear)

    def offers(self) -> Iterable[tuple[str, Offer]]:
        """What the runtimes that this server has offer, by name."""
        found = ((name, runtime.offer()) for name, runtime in self.runtimes.items())
        return ((name, offer) for name, offer in found if offer is not None)

    def fault(self, template: Template) -> str:
        """The first field of a template that its runtime or the agent can't use; "" when there is none."""
        return template_faults.fault(template) or self.runtimes[template.runtime].fault(template)

    def context(self, record: Record, user: TaskUser | None = None) -> RunContext:
        """A record's run, as its runtime is to know it; `user` where the record may not tell."""
        return RunContext(
            record.uid,
            self.journal.directory(record.uid),
            record.user or user,
            record.template,
            record.run,
            record.parked,
            record.namespace,
            record.name,
            record.task,
            record.slot,
            self.server,
            record.ports,
            record.host_ports,
        )

    def finding(self, uid: str) -> Finding:
        """What an instance has found, as read last, and what is wrong with that or with a change for it."""
        found, refused = self.findings.get(uid, Finding()), self.refusals.get(uid)
        return found if refused is None else Finding(found.result, refused.reason, refused.message)

    async def lives(self, record: Record) -> bool:
        """Whether anything of a record's Assignment runs, as whatever runtime where its own is not known. Raises
        OSError."""
        own = self.runtimes.get(record.template.runtime)
        context = self.context(record, self.user_of(record))
        return await (own.lives(context) if own is not None else self._lives(context))

    async def anything_lives(self, uid: str) -> bool:
        """The same of an Assignment of which nothing is known but its directory."""
        return await self._lives(RunContext(uid, self.journal.directory(uid), self.owner(uid)))

    async def _lives(self, context: RunContext) -> bool:
        return any([await runtime.lives(context) for runtime in self.runtimes.values()])

    def user_of(self, record: Record) -> TaskUser | None:
        """As whom what lives of a record's Assignment runs: as the record says, as the owner of what its directory
        gives to the task, or else as its Task would; None when nothing can."""
        if (known := record.user or self.owner(record.uid)) is not None:
            return known
        with contextlib.suppress(NotYet):  # no number is left for its Task, so nothing runs with one
            return self._of_task(record, self.users_taken())
        return None

    def owner(self, uid: str) -> TaskUser | None:
        """The user that owns what an instance's directory gives to its task; None when it gives nothing."""
        with contextlib.suppress(OSError):
            return self.users.owner(self.journal.directory(uid) / WORK)
        return None

    def ports_in_use(self, uid: str) -> set[int]:
        """The ports that other instances of this server have."""
        return set(self.ports_of_others(uid))

    def users_taken(self) -> dict[int, Task]:
        """Which Task has which user's number: its files are there still. A number whose Task is not known is taken by
        a name that is no Task's."""
        unknown = {user.uid: ("", uid) for uid, user in self.undecided().items()}
        held = ((record, record.user) for record in self.records() if record.user is not None)
        return unknown | {user.uid: (record.namespace, record.task or record.name) for record, user in held}

    def archives_in_use(self) -> set[str]:
        """The digests of what is held and not over."""
        artifacts = (record.template.artifact for record in self.records() if not record.finished)
        return {artifact.sha256 for artifact in artifacts if artifact is not None}

    async def give_user(self, record: Record, *but: int) -> None:
        """Notes in the record as whom the instance runs: as its Task's user, with none of the numbers `but`. Nothing
        runs as that user afterwards but living instances of the Task here. Called before each try to prepare the
        instance. Raises Failure, NotYet, OSError; the instance must not run then."""
        taken = dict.fromkeys(but, _OTHERS)
        while True:
            # Noted before anything is waited for, so that no other Task gets the user meanwhile.
            user = record.user = record.user or self._choose(record, taken)
            if not user.alone:
                return
            async with self._clearing[user.uid]:
                if await self._is_settled(record, user):
                    self._settled.add(record.uid)
                    return
            log.warning("a user's number is passed over: other instances run as it", extra={"uid": user.uid})
            taken[user.uid] = _OTHERS
            record.user = None

    async def keep_user(self, record: Record) -> None:
        """Before the next run of what was prepared in an earlier start of the agent: another user where its own is not
        this agent's any more, and its files are the user's that it has. Raises as `give_user`."""
        user = record.user
        if user is None or not user.alone or record.uid in self._settled:
            return
        if not self.users.has(user.uid) or await self._is_used(user):
            log.warning("an instance gets another user: its number is another agent's now", extra={"uid": user.uid})
            record.user = None
            try:
                await self.give_user(record, user.uid)
                await self.journal.save(record)
            except BaseException:
                record.user = user
                raise
        await self._hand_over(record)
        self._settled.add(record.uid)

    async def _hand_over(self, record: Record) -> None:
        work, user = self.journal.directory(record.uid) / WORK, record.user
        assert user is not None
        owner = owner_of(work).uid
        if owner != user.uid:
            await threads.run(tree.hand_over, work, owner, user.uid, user.gid)

    def _choose(self, record: Record, passed: dict[int, Task]) -> TaskUser:
        """The number of its Task's name, unless what has that may never leave: what another cluster declared of it."""
        strange = {
            one.user.uid: _OTHERS
            for one in self.records()
            if one.user is not None and one.cluster != record.cluster and one.task_uid != record.task_uid
        }
        taken = self.users_taken() | strange | passed
        return self._of_task(record, taken)

    def _of_task(self, record: Record, taken: Mapping[int, Task]) -> TaskUser:
        """The user of a record's Task, or the agent's own where its runtime has that. Raises NotYet."""
        runtime = self.runtimes.get(record.template.runtime)
        if runtime is not None and runtime.as_agent:
            return oneself()
        return self.users.of(record.namespace, record.task or record.name, taken)

    async def _is_settled(self, record: Record, user: TaskUser) -> bool:
        """Clears the user unless instances of its Task live as it. False when something else may live as it. Raises
        NotYet while instances of an earlier Task of the name do."""
        if record.uid in self._settled:
            return True
        sharing = self._sharing(record.uid, user)
        if earlier := [one for one in sharing if one.task_uid != record.task_uid]:
            raise _occupied(user, earlier)
        if sharing:
            return True
        if siblings := self._siblings_unseen(record, user):
            raise _unseen(user, siblings)
        if self._is_undecided(record.uid, user) or await self._is_used(user):
            return False
        await self.clearing.clear(user.uid)
        return True

    def _sharing(self, uid: str, user: TaskUser) -> list[Record]:
        """The instances other than that of `uid` that live as the user, or are being stopped and not over yet."""
        return [
            record
            for record in self.records()
            if record.uid != uid
            and record.user is not None
            and record.user.uid == user.uid
            and not record.finished
            and (record.prepared or record.uid in self._settled)
        ]

    def _siblings_unseen(self, record: Record, user: TaskUser) -> list[Record]:
        """Other instances of its Task that may live as the user, and have not been looked at yet."""
        undecided = self.undecided()
        return [
            other
            for other in self.records()
            if other.uid != record.uid
            and (other.namespace, other.task, other.task_uid) == (record.namespace, record.task, record.task_uid)
            and other.uid in undecided
            and undecided[other.uid].uid == user.uid
        ]

    def _is_undecided(self, uid: str, user: TaskUser) -> bool:
        return any(other != uid and owner.uid == user.uid for other, owner in self.undecided().items())

    async def _is_used(self, user: TaskUser) -> bool:
        """Whether instances run as the user of which this agent knows nothing. Agents claim their numbers, but a claim
        may be lost; nothing of another agent's is ended for that."""
        return await self.processes.others_run(user.uid, self.journal.has)

    def went_on(self, record: Record) -> None:
        """Processes of an instance whose record was lost live: their user is not cleared for another one."""
        self._settled.add(record.uid)

    async def release_user(self, uid: str, user: TaskUser | None) -> None:
        """Ends all that still runs as the user of an instance that is over, unless others live as it, another agent's
        among them. Raises NotYet, OSError; what is left then must be ended by another call, before anything else of the
        instance is forgotten."""
        if user is None or not user.alone:
            return
        async with self._clearing[user.uid]:
            self._settled.discard(uid)
            if self._sharing(uid, user) or self._is_undecided(uid, user):
                return
            if self.users.is_foreign(user.uid) or await self._is_used(user):
                log.warning("a user is not cleared: its number is another agent's now", extra={"uid": user.uid})
                return
            await self.clearing.clear(user.uid)

    async def turn(self) -> None:
        """Waits for a turn of the event loop: of all that wait, one goes on each time, so that a hundred steps that
        write to the disk let a heartbeat through in between."""
        async with self._turns:
            await asyncio.sleep(0)


def _unseen(user: TaskUser, siblings: Sequence[Record]) -> NotYet:
    names = ", ".join(sorted(str(one.key) for one in siblings)[:_MOST_NAMED])
    return NotYet(
        BUSY,
        f"it starts as the user {user.uid} of its task once the agent, which was started anew, has looked at {names}",
        costly=False,
    )


def _occupied(user: TaskUser, by: Sequence[Record]) -> NotYet:
    names = sorted(str(record.key) for record in by)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return NotYet(
        BUSY,
        f"the user {user.uid} is still that of a deleted task of the same name; it starts once what runs of that on "
        f"this server has stopped: {', '.join(names[:_MOST_NAMED])}{more}",
        costly=False,
    )
