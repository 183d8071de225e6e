"""What the agent holds, brought to what is declared: settle what was there before, plan, act."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from starlink_nodeagent.decisions import admission, changes, strangers
from starlink_nodeagent.decisions.plan import Declared, Held, Plan, Wait, diff
from starlink_nodeagent.instances.forgetting import Forgetting
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.instances.remains import Remains
from starlink_nodeagent.journal.record import Record, record_of
from starlink_nodeagent.machine.resources import Amounts
from starlink_nodeagent.reporting.teller import Teller
from starlink_nodeagent.users.user import TaskUser

log = logging.getLogger(__name__)


class Keeper:
    """The instances of a server. `declared` gives what is to be, as it was heard last; `allocatable` is what they may
    have in all; `look_again` is called when something has changed that a round would act on."""

    def __init__(
        self,
        host: Host,
        teller: Teller,
        declared: Callable[[], Declared],
        allocatable: Amounts,
        look_again: Callable[[], None],
    ) -> None:
        self.instances: dict[str, Instance] = {}
        self.strangers = strangers.Strangers()
        self._host, self._teller = host, teller
        self._declared, self._allocatable, self._look_again = declared, allocatable, look_again
        self._remains = Remains((), host)
        self._waiting: frozenset[str] = frozenset()
        self._forgetting = Forgetting(self.instances, host, look_again)
        host.ports_of_others = self._ports_of_others
        host.records = self._kept
        host.undecided = self._undecided
        host.tell = teller.tell

    @property
    def settled(self) -> bool:
        """Whether it is known of all that was there before what it is."""
        return self._remains.settled

    @property
    def idle(self) -> bool:
        """Whether nothing here needs somebody who looks after it."""
        return not self._remains.users() and all(record.finished for _, record in self._records())

    def adopt(self) -> None:
        """Goes on with what an earlier agent left."""
        loaded = self._host.journal.load()
        own, self.strangers = strangers.sort(loaded.records, self._host.server)
        for record in own:
            if not record.server:
                record.server = self._host.server
                self._host.journal.note(record)
            self._hold(record, fresh=False)
        self._remains = Remains(loaded.unknown, self._host)
        if self.instances:
            log.info("went on with what was there", extra={"instances": len(self.instances)})

    async def leave(self) -> None:
        """The agent goes; processes go on running."""
        self._forgetting.leave()
        for instance in self.instances.values():
            instance.leave()
        await asyncio.gather(*(instance.over() for instance in self.instances.values()))
        self._host.journal.close()

    def catch_up(self) -> None:
        """Says what an earlier agent noted and may not have sent."""
        self._teller.catch_up(record for _, record in self._records())

    async def follow(self) -> Iterable[str]:
        """One round; gives the names of what runs though nobody declares it."""
        if not self.settled:
            await self._settle(self._declared())
        declared = self._declared()  # nothing is waited for from here on
        self._learn_tasks(declared)
        plan = diff(declared, self._held(), self._remains.undecided | self.strangers.uids)
        self._act(plan, declared)
        return (*plan.orphans, *self._remains.orphans, *self.strangers.orphans)

    async def _settle(self, declared: Declared) -> None:
        """Goes on with what is declared and what the journal does not tell of."""
        held = {*self.instances, *self.strangers.uids}
        made = partial(record_of, cluster=declared.cluster)
        for record in await self._remains.settle(declared.assignments, held, made, declared.unread):
            log.warning("an instance without a record goes on", extra={"assignment": str(record.key)})
            self._hold(record, fresh=False)
            if record.finished:
                self._host.journal.note(record)

    def _learn_tasks(self, declared: Declared) -> None:
        """Which Task an instance is of, where an earlier agent wrote only its name."""
        for uid, record in self._records():
            assignment = None if record.task_uid else declared.assignments.get(uid)
            if assignment is not None and (task := assignment.metadata.controller_uid):
                record.task_uid = task
                self._host.journal.note(record)

    def _act(self, plan: Plan, declared: Declared) -> None:
        for uid in plan.stop:
            self._stop(self.instances[uid], declared)
        for uid in plan.forget:
            self._teller.forget(uid)
            self._forgetting.begin(uid)
        for assignment in plan.disown:
            self._teller.tell_of(assignment, "Stopped", "NeverStarted", "it was stopped before it was started")
        self._teller.leave_alone(plan.leave)
        self._keep_waiting(plan.wait, declared)
        self._start(plan, declared)
        self._change(declared)
        for uid in plan.recognize:
            self._recognize(self.instances[uid], declared)

    def _hold(self, record: Record, *, fresh: bool) -> None:
        instance = self.instances[record.uid] = Instance(record, self._host, self._changed, fresh=fresh)
        instance.begin()

    def _stop(self, instance: Instance, declared: Declared) -> None:
        """Stops it, and says so once for each generation of its Assignment."""
        record, assignment = instance.record, declared.assignments[instance.record.uid]
        begun = record.stopping or record.finished
        if begun and assignment.metadata.generation == record.generation:
            return
        instance.stop()
        self._teller.tell(record)

    def _keep_waiting(self, waits: Iterable[Wait], declared: Declared) -> None:
        for wait in waits:
            self._teller.tell_of(wait.assignment, "Pending", "WaitingFor", wait.message)
        before, self._waiting = self._waiting, frozenset(wait.assignment.uid for wait in waits)
        for uid in before - self._waiting - declared.assignments.keys():
            self._teller.forget(uid)

    def _start(self, plan: Plan, declared: Declared) -> None:
        """Starts what the server has room for. A refusal is kept like an end, so that it stands; what starts writes
        its own first record."""
        if not plan.start:
            return
        claims = self._claims(declared)
        for verdict in admission.judge(plan.start, plan.wait, claims, self._allocatable, self._host.fault):
            record = record_of(verdict.assignment, declared.cluster)
            if verdict.refusal is not None:
                record.phase, record.finished_at = "Failed", self._host.clock.now()
                record.reason, record.message = verdict.refusal.reason, verdict.refusal.message
                self._host.journal.note(record)
            self._hold(record, fresh=True)
            if record.finished:
                self._teller.report(record)

    def _change(self, declared: Declared) -> None:
        """Has instances go on with what changes for them while they live. What can't be is told, and looked at again
        in the next round."""
        refusals: dict[str, admission.Refusal] = {}
        for record, wish in changes.declared(declared, [record for _, record in self._records()]):
            own = self.instances[record.uid].changes
            if own.has(wish):
                continue
            others = [claim for claim in self._claims(declared) if claim.uid != record.uid]
            if (refusal := changes.refusal(wish, others, self._host.fault)) is not None:
                refusals[record.uid] = refusal
            else:
                own.wish(wish)
        before, self._host.refusals = self._host.refusals, refusals
        for uid in self.instances.keys() & (before.keys() | refusals.keys()):
            if before.get(uid) != refusals.get(uid):
                self._teller.tell(self.instances[uid].record)

    def _recognize(self, instance: Instance, declared: Declared) -> None:
        """Goes on under the cluster that declares it now, which may have missed news; its wish counts from the next
        round on."""
        record = instance.record
        record.cluster, record.resource_version = declared.cluster, declared.resource_version
        self._host.journal.note(record)
        self._teller.forget(record.uid)
        self._teller.tell(record)
        self._look_again()

    def _changed(self, instance: Instance) -> None:
        self._teller.report(instance.record)
        if instance.record.finished:
            self._look_again()

    # What is held

    def _held(self) -> Iterable[Held]:
        return [
            Held(uid, record.key, record.cluster, record.resource_version, record.finished)
            for uid, record in self._records()
        ]

    def _records(self) -> Iterable[tuple[str, Record]]:
        return ((uid, instance.record) for uid, instance in self.instances.items())

    def _kept(self) -> list[Record]:
        """All that take something of the server, strangers too."""
        return [*(instance.record for instance in self.instances.values()), *self.strangers.records]

    def _claims(self, declared: Declared) -> Sequence[admission.Claim]:
        """What is taken: by what is held, and by what may live that is not known yet."""
        undecided = self._remains.undecided & declared.assignments.keys()
        open_ = [record_of(declared.assignments[uid], declared.cluster) for uid in undecided]
        return admission.claims([*self._kept(), *open_])

    def _ports_of_others(self, uid: str) -> Iterable[int]:
        others = (record for record in self._kept() if record.uid != uid and not record.finished)
        return (port for record in others for port in (*record.ports.values(), *record.host_ports))

    def _undecided(self) -> dict[str, TaskUser]:
        """The users as whom something may live of which it is not known yet what it is, by UID."""
        unseen = {uid: instance.unseen for uid, instance in self.instances.items()}
        return self._remains.users() | {uid: user for uid, user in unseen.items() if user is not None}
