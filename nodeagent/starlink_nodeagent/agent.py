"""The agent: observe what the API declares and what is held, plan, act; again and again."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import SERVER
from starlink.api.meta import ObjectKey
from starlink.client.errors import ClientError, Forbidden, NotFound
from starlink.client.kube import Client
from starlink.groups import cause
from starlink_nodeagent.decisions import admission, strangers, unreadable
from starlink_nodeagent.decisions.plan import Declared, Held, Plan, Wait, diff
from starlink_nodeagent.instances.forgetting import Forgetting
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.instances.remains import Remains
from starlink_nodeagent.journal.record import Record, record_of
from starlink_nodeagent.layout import is_uid
from starlink_nodeagent.logs.rotation import Rotation
from starlink_nodeagent.machine.machine import Machine
from starlink_nodeagent.reporting.reporter import Reporter
from starlink_nodeagent.reporting.teller import Teller
from starlink_nodeagent.server import refusal
from starlink_nodeagent.server.cluster import Cluster
from starlink_nodeagent.server.link import Link, ServerDeleted
from starlink_nodeagent.server.orphans import Orphans
from starlink_nodeagent.server.registration import NameTaken, join
from starlink_nodeagent.users.user import TaskUser

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
LOOK_SECONDS = 5.0


class Agent:
    """One server's agent. `elapsed` are seconds that go on while the machine sleeps; `jitter` is for its caches."""

    def __init__(
        self,
        client: Client,
        host: Host,
        machine: Machine,
        elapsed: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self._client = client
        self._host = host
        self._machine = machine.offering({name: offer.features for name, offer in host.offers()})
        self._instances: dict[str, Instance] = {}
        self._link = Link(client, host.server, host.clock.now, elapsed, jitter, host.server_namespace)
        self._assignments = self._link.assignments
        self._reporter = Reporter(client, host.server, host.clock.now, elapsed)
        self._address = machine.address
        self._teller = Teller(self._reporter, self._assignments.objects, lambda: self._address, host.clock.now)
        self._remains = Remains((), host)
        self._strangers = strangers.Strangers()
        self._wake = asyncio.Event()
        self._cluster = Cluster(client, self._assignments)
        self._uid = ""
        self._orphans = Orphans(client, host.server)
        self._waiting: frozenset[str] = frozenset()
        self._forgetting = Forgetting(self._instances, host, self._wake.set)
        host.ports_of_others = self._ports_of_others
        host.records = self._kept
        host.undecided = self._undecided

    async def run(self) -> None:
        """Until cancelled. Raises NameTaken, ServerDeleted, Refused."""
        self._assignments.subscribe(self._assignment_changed)
        rotation = Rotation()
        self._host.keep_logs = rotation.keep
        self._adopt()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reporter.run())
                group.create_task(self._host.artifacts.eviction.run())
                group.create_task(self._connect(group))
        except BaseExceptionGroup as errors:
            raise cause(errors, NameTaken, ServerDeleted, refusal.Refused) from None
        finally:
            await self._leave()
            rotation.close()

    def _adopt(self) -> None:
        """Goes on with what an earlier agent left."""
        loaded = self._host.journal.load()
        own, self._strangers = strangers.sort(loaded.records, self._host.server)
        for record in own:
            if not record.server:
                record.server = self._host.server
                self._host.journal.note(record)
            self._hold(record, fresh=False)
        self._remains = Remains(loaded.unknown, self._host)
        if self._instances:
            log.info("went on with what was there", extra={"instances": len(self._instances)})

    def _hold(self, record: Record, *, fresh: bool) -> None:
        instance = self._instances[record.uid] = Instance(record, self._host, self._changed, fresh=fresh)
        instance.begin()

    async def _leave(self) -> None:
        """The agent goes; processes go on running."""
        self._forgetting.leave()
        for instance in self._instances.values():
            instance.leave()
        await asyncio.gather(*(instance.over() for instance in self._instances.values()))
        self._host.journal.close()

    async def _connect(self, group: asyncio.TaskGroup) -> None:
        """Registers, however long it takes, and then follows the API."""
        told = ""
        while True:
            try:
                self._uid, self._address = await join(self._client, self._host.server, self._machine)
                break
            except ClientError as error:
                self._give_up(refusal.reason(error, self._host.server))
                before, told = told, refusal.in_words(error)
                if told != before or not isinstance(error, Forbidden | NotFound):  # which stay so for long
                    log.warning("could not register yet: %s", told)
                await asyncio.sleep(RETRY_SECONDS)
        self._tell_of_strangers()
        group.create_task(self._link.run(self._uid))
        group.create_task(self._follow())

    def _tell_of_strangers(self) -> None:
        if self._strangers.records:
            log.warning("%s", self._strangers.message)
            key, message = ObjectKey("", self._host.server), self._strangers.message
            self._reporter.event(SERVER, key, self._uid, "Warning", strangers.REASON, message)

    def _give_up(self, why: str) -> None:
        """Raises Refused, but not while there are instances: they need somebody who looks after them."""
        if why and not self._remains.users() and all(record.finished for _, record in self._records()):
            raise refusal.Refused(why)

    def _assignment_changed(self, change: Change[Assignment]) -> None:
        self._wake.set()
        before, now = change.old, change.new
        if before is not None and (now is None or now.uid != before.uid) and before.uid not in self._instances:
            self._teller.forget(before.uid)  # the removal of an instance forgets its own reports
        if now is not None:
            held = self._instances.get(now.uid)
            self._teller.answer(now, held.record if held else None)
            if held is not None:
                self._teller.understand(now, before, held.record)

    # The loop

    async def _follow(self) -> None:
        await self._assignments.synced()
        self._teller.catch_up(record for _, record in self._records())
        while True:
            self._wake.clear()
            try:
                await self._cluster.know()
            except ClientError as error:
                log.warning("what there is can't be compared with what is declared yet: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await self._settle()
            self._learn_tasks()
            self._act(diff(self._declared(), self._held(), self._remains.undecided | self._strangers.uids))
            await self._orphans.own_up(self._link.server, self._uid)
            await self._woken()

    async def _woken(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if self._remains.settled else LOOK_SECONDS):
                await self._wake.wait()

    async def _settle(self) -> None:
        """Goes on with what is declared and what the journal does not tell of."""
        declared, held = self._declared(), {*self._instances, *self._strangers.uids}
        made = partial(record_of, cluster=self._cluster.uid)
        for record in await self._remains.settle(declared.assignments, held, made, declared.unread):
            log.warning("an instance without a record goes on", extra={"assignment": str(record.key)})
            self._hold(record, fresh=False)
            if record.finished:
                self._host.journal.note(record)

    def _learn_tasks(self) -> None:
        """Which Task an instance is of, where an earlier agent wrote only its name."""
        declared = self._declared().assignments
        for uid, record in self._records():
            if not record.task_uid and uid in declared and (task := declared[uid].metadata.controller_uid):
                record.task_uid = task
                self._host.journal.note(record)

    def _declared(self) -> Declared:
        # A UID names a directory here, so whatever an API server sends in its place is no Assignment.
        assignments = {a.uid: a for a in self._assignments.objects.values() if is_uid(a.uid)}
        unread = {uid: why for uid, a in assignments.items() if (why := self._why_unread(a))}
        return Declared(self._cluster.uid, self._assignments.resource_version, assignments, unread)

    def _why_unread(self, assignment: Assignment) -> str:
        held = assignment.uid in self._instances
        if (why := unreadable.trouble(assignment)) or held:
            return why
        template = assignment.spec.template
        return unreadable.foreign_end(assignment) or unreadable.of_template(template, self._host.runtimes)

    def _held(self) -> Iterable[Held]:
        return [
            Held(uid, record.key, record.cluster, record.resource_version, record.finished)
            for uid, record in self._records()
        ]

    def _records(self) -> Iterable[tuple[str, Record]]:
        return ((uid, instance.record) for uid, instance in self._instances.items())

    def _kept(self) -> list[Record]:
        """All that take something of the server, strangers too."""
        return [*(instance.record for instance in self._instances.values()), *self._strangers.records]

    def _act(self, plan: Plan) -> None:
        for uid in plan.stop:
            self._stop(self._instances[uid])
        for uid in plan.forget:
            self._teller.forget(uid)
            self._forgetting.begin(uid)
        for assignment in plan.disown:
            self._teller.tell_of(assignment, "Stopped", "NeverStarted", "it was stopped before it was started")
        self._teller.leave_alone(plan.leave)
        self._keep_waiting(plan.wait)
        self._start(plan)
        for uid in plan.recognize:
            self._recognize(self._instances[uid])
        self._orphans.note((*plan.orphans, *self._remains.orphans, *self._strangers.orphans))

    def _stop(self, instance: Instance) -> None:
        """Stops it, and says so once for each generation of its Assignment."""
        record, assignment = instance.record, self._assignments.objects.get(instance.record.key)
        begun = record.stopping or record.finished
        if begun and assignment is not None and assignment.metadata.generation == record.generation:
            return
        instance.stop()
        self._teller.tell(record)

    def _keep_waiting(self, waits: Iterable[Wait]) -> None:
        for wait in waits:
            self._teller.tell_of(wait.assignment, "Pending", "WaitingFor", wait.message)
        before, self._waiting = self._waiting, frozenset(wait.assignment.uid for wait in waits)
        for uid in before - self._waiting - self._declared().assignments.keys():
            self._teller.forget(uid)

    def _start(self, plan: Plan) -> None:
        """Starts what the server has room for. A refusal is kept like an end, so that it stands; what starts writes
        its own first record."""
        if not plan.start:
            return
        claims, room = self._claims(), self._machine.allocatable
        for verdict in admission.judge(plan.start, plan.wait, claims, room, self._host.fault):
            record = record_of(verdict.assignment, self._cluster.uid)
            if verdict.refusal is not None:
                record.phase, record.finished_at = "Failed", self._host.clock.now()
                record.reason, record.message = verdict.refusal.reason, verdict.refusal.message
                self._host.journal.note(record)
            self._hold(record, fresh=True)
            if record.finished:
                self._teller.report(record)

    def _claims(self) -> Sequence[admission.Claim]:
        """What is taken: by what is held, and by what may live that is not known yet."""
        declared = self._declared().assignments
        open_ = [record_of(declared[uid], self._cluster.uid) for uid in self._remains.undecided & declared.keys()]
        return admission.claims([*self._kept(), *open_])

    def _recognize(self, instance: Instance) -> None:
        """Goes on under the cluster that declares it now, which may have missed news; its wish counts from the next
        round on."""
        record = instance.record
        record.cluster, record.resource_version = self._cluster.uid, self._assignments.resource_version
        self._host.journal.note(record)
        self._teller.forget(record.uid)
        self._teller.tell(record)
        self._wake.set()

    # Telling

    def _changed(self, instance: Instance) -> None:
        self._teller.report(instance.record)
        if instance.record.finished:
            self._wake.set()

    def _ports_of_others(self, uid: str) -> Iterable[int]:
        others = (record for record in self._kept() if record.uid != uid and not record.finished)
        return (port for record in others for port in record.ports.values())

    def _undecided(self) -> dict[str, TaskUser]:
        """The users as whom something may live of which it is not known yet what it is, by UID."""
        unseen = {uid: instance.unseen for uid, instance in self._instances.items()}
        return self._remains.users() | {uid: user for uid, user in unseen.items() if user is not None}
