"""The agent: joins the API, hears what is declared, and has the keeper bring what is held to it; again and again."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import SERVER
from starlink.api.meta import ObjectKey
from starlink.client.errors import ClientError, Forbidden, NotFound
from starlink.client.kube import Client
from starlink.groups import cause
from starlink_nodeagent.decisions import strangers, unreadable
from starlink_nodeagent.decisions.plan import Declared
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.keeper import Keeper
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
        self._link = Link(client, host.server, host.clock.now, elapsed, jitter, host.server_namespace)
        self._assignments = self._link.assignments
        self._reporter = Reporter(client, host.server, host.clock.now, elapsed)
        self._address = machine.address
        self._teller = Teller(
            self._reporter, self._assignments.objects, lambda: self._address, host.clock.now, host.finding
        )
        self._wake = asyncio.Event()
        self._cluster = Cluster(client, self._assignments)
        self._uid = ""
        self._orphans = Orphans(client, host.server)
        self._keeper = Keeper(host, self._teller, self._declared, machine.allocatable, self._wake.set)

    async def run(self) -> None:
        """Until cancelled. Raises NameTaken, ServerDeleted, Refused."""
        self._assignments.subscribe(self._assignment_changed)
        rotation = Rotation()
        self._host.keep_logs = rotation.keep
        self._keeper.adopt()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reporter.run())
                group.create_task(self._host.artifacts.eviction.run())
                group.create_task(self._connect(group))
        except BaseExceptionGroup as errors:
            raise cause(errors, NameTaken, ServerDeleted, refusal.Refused) from None
        finally:
            await self._keeper.leave()
            rotation.close()

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
        group.create_task(self._link.run(self._uid, replace(self._machine, address=self._address)))
        group.create_task(self._follow())

    def _tell_of_strangers(self) -> None:
        found = self._keeper.strangers
        if found.records:
            log.warning("%s", found.message)
            key = ObjectKey("", self._host.server)
            self._reporter.event(SERVER, key, self._uid, "Warning", strangers.REASON, found.message)

    def _give_up(self, why: str) -> None:
        """Raises Refused, but not while there are instances: they need somebody who looks after them."""
        if why and self._keeper.idle:
            raise refusal.Refused(why)

    def _assignment_changed(self, change: Change[Assignment]) -> None:
        self._wake.set()
        before, now, instances = change.old, change.new, self._keeper.instances
        if before is not None and (now is None or now.uid != before.uid) and before.uid not in instances:
            self._teller.forget(before.uid)  # the removal of an instance forgets its own reports
        if now is not None:
            held = instances.get(now.uid)
            self._teller.answer(now, held.record if held else None)
            if held is not None:
                self._teller.understand(now, before, held.record)

    async def _follow(self) -> None:
        await self._assignments.synced()
        self._keeper.catch_up()
        while True:
            self._wake.clear()
            try:
                await self._cluster.know()
            except ClientError as error:
                log.warning("what there is can't be compared with what is declared yet: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._orphans.note(await self._keeper.follow())
            await self._orphans.own_up(self._link.server, self._uid)
            await self._woken()

    async def _woken(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if self._keeper.settled else LOOK_SECONDS):
                await self._wake.wait()

    def _declared(self) -> Declared:
        # A UID names a directory here, so whatever an API server sends in its place is no Assignment.
        assignments = {a.uid: a for a in self._assignments.objects.values() if is_uid(a.uid)}
        unread = {uid: why for uid, a in assignments.items() if (why := self._why_unread(a))}
        return Declared(self._cluster.uid, self._assignments.resource_version, assignments, unread)

    def _why_unread(self, assignment: Assignment) -> str:
        if (why := unreadable.trouble(assignment)) or assignment.uid in self._keeper.instances:
            return why
        template = assignment.spec.template
        return unreadable.foreign_end(assignment) or unreadable.of_template(template, self._host.runtimes)
