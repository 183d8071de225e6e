"""The agent: observe what the API declares and what is held, plan, act; again and again."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, NAMESPACE, SERVER
from starlink.api.server import Server
from starlink.client.cache import Cache, Change
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink_nodeagent import admission, heartbeat, identity
from starlink_nodeagent.faults import fault
from starlink_nodeagent.host import Host
from starlink_nodeagent.instance import Instance
from starlink_nodeagent.journal import Record, record_of
from starlink_nodeagent.machine import Machine
from starlink_nodeagent.plan import Declared, Held, Plan, Wait, diff
from starlink_nodeagent.registration import NameTaken, register
from starlink_nodeagent.report import is_news, status_of
from starlink_nodeagent.reporter import Reporter

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
ROTATE_SECONDS = 10.0
CLUSTER_IDENTITY = "kube-system"


class ServerDeleted(Exception):
    """The agent's Server has been deleted and has gone."""


class Agent:
    """One server's agent. `monotonic` and `jitter` are for its caches."""

    def __init__(
        self,
        client: Client,
        host: Host,
        machine: Machine,
        monotonic: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self._client = client
        self._host = host
        self._machine = machine
        self._instances: dict[str, Instance] = {}
        self._reporter = Reporter(client, host.server, host.now)
        self._assignments = Cache(
            client, ASSIGNMENT, Assignment, now=monotonic, jitter=jitter, field_selector=f"spec.server={host.server}"
        )
        self._server = Cache(
            client, SERVER, Server, now=monotonic, jitter=jitter, field_selector=f"metadata.name={host.server}"
        )
        self._wake = asyncio.Event()
        self._deleted = asyncio.Event()
        self._cluster = ""
        self._cluster_as_of = -1
        self._uid = ""
        self._orphans: tuple[str, ...] = ()
        self._waiting: frozenset[str] = frozenset()
        self._forgetting: dict[str, asyncio.Task[None]] = {}
        host.ports_of_others = self._ports_of_others

    async def run(self) -> None:
        """Until cancelled. Raises NameTaken, ServerDeleted."""
        self._assignments.subscribe(lambda _: self._wake.set())
        self._adopt()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reporter.run())
                group.create_task(self._rotate())
                group.create_task(self._connect(group))
        except* (NameTaken, ServerDeleted) as caught:
            raise caught.exceptions[0] from None
        finally:
            for instance in self._instances.values():
                instance.leave()

    def _adopt(self) -> None:
        """Goes on with what an earlier agent left."""
        for record in self._host.journal.load():
            self._hold(record)
        if self._instances:
            log.info("went on with what was there", extra={"instances": len(self._instances)})

    def _hold(self, record: Record) -> None:
        instance = self._instances[record.uid] = Instance(record, self._host, self._changed)
        instance.begin()

    async def _connect(self, group: asyncio.TaskGroup) -> None:
        """Registers, however long it takes, and then follows the API."""
        while True:
            try:
                self._uid = await register(self._client, self._host.server, self._machine)
                break
            except ClientError as error:
                log.warning("could not register yet: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
        self._server.subscribe(self._own_server_changed)
        group.create_task(heartbeat.beat(self._client, self._host.server, self._host.now))
        group.create_task(self._assignments.run())
        group.create_task(self._server.run())
        token_file = self._client.config.token_file
        if token_file is not None:
            group.create_task(identity.renew(self._client, self._host.server, token_file, self._host.now))
        group.create_task(self._follow())
        group.create_task(self._watch_for_deletion())

    def _own_server_changed(self, change: Change[Server]) -> None:
        if change.new is None and change.old is not None and change.old.uid == self._uid:
            self._deleted.set()

    async def _watch_for_deletion(self) -> None:
        await self._deleted.wait()
        raise ServerDeleted(f"Server {self._host.server} was deleted; a restart of this agent registers it anew")

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            for instance in self._instances.values():
                with contextlib.suppress(OSError):
                    instance.rotate_logs()

    # The loop

    async def _follow(self) -> None:
        await self._assignments.synced()
        self._catch_up()
        while True:
            self._wake.clear()
            try:
                await self._know_cluster()
            except ClientError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._act(diff(self._declared(), self._held()))
            await self._own_up()
            await self._wake.wait()

    async def _know_cluster(self) -> None:
        """Asks again which cluster this is whenever there was a new list: only a list can come from another one."""
        while self._cluster_as_of != self._assignments.lists:
            lists = self._assignments.lists
            identity = (await self._client.get(NAMESPACE, CLUSTER_IDENTITY))["metadata"]
            if int(identity["resourceVersion"]) > self._assignments.resource_version:
                # Younger than the list, which may be of the cluster from which this one was restored in between.
                await self._assignments.refresh()
            elif lists == self._assignments.lists:
                self._cluster, self._cluster_as_of = str(identity["uid"]), lists

    def _declared(self) -> Declared:
        assignments = {a.uid: a for a in self._assignments.objects.values()}
        return Declared(self._cluster, self._assignments.resource_version, assignments)

    def _held(self) -> Iterable[Held]:
        return [
            Held(uid, record.key, record.cluster, record.resource_version, record.finished)
            for uid, record in self._records()
        ]

    def _records(self) -> Iterable[tuple[str, Record]]:
        return ((uid, instance.record) for uid, instance in self._instances.items())

    def _act(self, plan: Plan) -> None:
        for uid in plan.stop:
            self._stop(self._instances[uid])
        for uid in plan.forget:
            self._forget(uid)
        for assignment in plan.disown:
            self._tell_of(assignment, "Stopped", "NeverStarted", "it was stopped before it was started")
        self._keep_waiting(plan.wait)
        self._start(plan)
        for uid in plan.recognize:
            self._recognize(self._instances[uid])
        for key in sorted({*plan.orphans} - {*self._orphans}):
            log.warning("an instance that nobody declares goes on running", extra={"assignment": key})
        self._orphans = plan.orphans

    def _stop(self, instance: Instance) -> None:
        """Stops it, and says so once for each generation of its Assignment."""
        record, assignment = instance.record, self._assignments.objects.get(instance.record.key)
        begun = record.stopping or record.finished
        if begun and assignment is not None and assignment.metadata.generation == record.generation:
            return
        instance.stop()
        self._tell(record)

    def _keep_waiting(self, waits: Iterable[Wait]) -> None:
        for wait in waits:
            self._tell_of(wait.assignment, "Pending", "WaitingFor", wait.message)
        before, self._waiting = self._waiting, frozenset(wait.assignment.uid for wait in waits)
        for uid in before - self._waiting - self._declared().assignments.keys():
            self._reporter.forget(uid)

    def _start(self, plan: Plan) -> None:
        """Starts what the server has room for. A refusal is kept like an end, so that it stands; what starts writes
        its own first record."""
        if not plan.start:
            return
        held = [
            admission.claim(uid, str(record.key), record.template, record.ports.values())
            for uid, record in self._records()
            if not record.finished and not fault(record.template)
        ]
        for verdict in admission.judge(plan.start, plan.wait, held, self._machine.allocatable):
            record = record_of(verdict.assignment, self._cluster)
            if verdict.refusal is not None:
                record.phase, record.finished_at = "Failed", self._host.now()
                record.reason, record.message = verdict.refusal.reason, verdict.refusal.message
                self._host.journal.save(record)
            self._hold(record)
            if record.finished:
                self._report(self._instances[record.uid])

    def _recognize(self, instance: Instance) -> None:
        """Goes on under the cluster that declares it now, which may have missed news; its wish counts from the next
        round on."""
        record = instance.record
        record.cluster, record.resource_version = self._cluster, self._assignments.resource_version
        self._host.journal.save(record)
        self._reporter.forget(record.uid)
        self._tell(record)
        self._wake.set()

    def _forget(self, uid: str) -> None:
        """Stops an instance whose Assignment is gone, and removes what is left of it."""
        if uid not in self._forgetting:
            task = self._forgetting[uid] = asyncio.create_task(self._stop_and_forget(uid))
            task.add_done_callback(lambda _: self._forgetting.pop(uid))

    async def _stop_and_forget(self, uid: str) -> None:
        instance = self._instances[uid]
        instance.stop()
        await instance.over()
        if instance.record.finished:  # else the agent goes, and the next one needs the record
            del self._instances[uid]
            self._reporter.forget(uid)
            await asyncio.to_thread(self._host.journal.forget, uid)
            self._wake.set()

    # Telling

    def _changed(self, instance: Instance) -> None:
        self._report(instance)
        if instance.record.finished:
            self._wake.set()

    def _catch_up(self) -> None:
        """Says what an earlier agent noted and may not have sent."""
        for uid, record in self._records():
            assignment = self._assignments.objects.get(record.key)
            if assignment is not None and assignment.uid == uid and is_news(record, assignment.status):
                self._tell(record)

    def _report(self, instance: Instance) -> None:
        self._tell(instance.record)
        self._tell_event(instance.record)

    def _tell(self, record: Record) -> None:
        assignment = self._assignments.objects.get(record.key)
        if assignment is not None and assignment.uid == record.uid:
            record.generation = assignment.metadata.generation
        if record.stopping and not record.finished:
            record.phase, record.ready = "Stopping", False
        self._reporter.tell(record.uid, record.key, status_of(record, self._machine.address, self._host.now()))

    def _tell_of(self, assignment: Assignment, phase: str, reason: str, message: str) -> None:
        """Tells of one that has no instance."""
        record = record_of(assignment, self._cluster)
        record.phase, record.reason, record.message = phase, reason, message
        self._tell(record)

    def _tell_event(self, record: Record) -> None:
        """Events for what a person would ask about: failures and restarts."""
        restarting = record.phase == "Starting" and record.reason
        if record.phase == "Failed" or restarting:
            self._reporter.event(ASSIGNMENT, record.key, record.uid, "Warning", record.reason, record.message)

    async def _own_up(self) -> None:
        """Says in the Server's status what runs here although nobody declares it."""
        server = next(iter(self._server.objects.values()), None)
        if server is None or server.status.orphans == self._orphans:
            return
        patch = {"metadata": {"uid": self._uid}, "status": {"orphans": list(self._orphans) or None}}
        try:
            await self._client.patch_raw(SERVER, self._host.server, patch, subresource="status")
        except ClientError as error:
            log.warning("the orphans could not be reported: %s", error)

    def _ports_of_others(self, uid: str) -> Iterable[int]:
        for other, instance in self._instances.items():
            if other != uid and not instance.record.finished:
                yield from instance.record.ports.values()
