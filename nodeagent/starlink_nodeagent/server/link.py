"""What the agent hears of the API all the time, and what it says there of itself."""

import asyncio
import logging
from collections.abc import Callable

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import ASSIGNMENT, SERVER
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.server import Server
from starlink.client.cache import Cache
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink_nodeagent.machine.machine import Machine
from starlink_nodeagent.server import heartbeat, identity, registration

log = logging.getLogger(__name__)

CORRECT_SECONDS = 5.0
"""Between two corrections of the Server's status, should somebody write over it again and again."""


class ServerDeleted(Exception):
    """The agent's Server has been deleted and has gone."""


class ServersUndefined(ServerDeleted):
    """It has gone with all others, for the definition of servers goes."""


class Link:
    """Follows what is declared for a server, its Assignments and itself. `now` is epoch seconds; `elapsed` are seconds
    that go on while the machine sleeps; `jitter` is for the caches; the server's Lease lies in `namespace`."""

    def __init__(
        self,
        client: Client,
        name: str,
        now: Callable[[], float],
        elapsed: Callable[[], float],
        jitter: Callable[[], float],
        namespace: str = SERVER_NAMESPACE,
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._now, self._elapsed = now, elapsed
        self.assignments = Cache(
            client, ASSIGNMENT, Assignment, now=elapsed, jitter=jitter, field_selector=f"spec.server={name}"
        )
        self._server = Cache(client, SERVER, Server, now=elapsed, jitter=jitter, field_selector=f"metadata.name={name}")

    @property
    def server(self) -> Server | None:
        """The Server as it was heard last."""
        return next(iter(self._server.objects.values()), None)

    async def run(self, uid: str, machine: Machine) -> None:
        """Until cancelled, or until the Server with this UID has gone: raises ServerDeleted then, or
        ServersUndefined. The Server is kept saying what the machine is."""
        deleted, news = asyncio.Event(), asyncio.Event()

        def changed(change: Change[Server]) -> None:
            news.set()
            if change.new is None and change.old is not None and change.old.uid == uid:
                deleted.set()

        self._server.subscribe(changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._server.run())
            group.create_task(self.assignments.run())
            group.create_task(self._beat())
            group.create_task(self._keep_correct(uid, machine, news))
            group.create_task(identity.tell(self._client, self._name, uid))
            if (token_file := self._client.config.token_file) is not None:
                renewing = identity.renew(self._client, self._name, token_file, self._now, self._namespace)
                group.create_task(renewing)
            await deleted.wait()
            if not await registration.is_defined(self._client, self._name):
                raise ServersUndefined(
                    f"Server {self._name} went with the definition of servers (CRD {SERVER.plural}.{SERVER.group}); "
                    "started again, this agent registers as soon as there is one"
                )
            raise ServerDeleted(f"Server {self._name} was deleted; a restart of this agent registers it anew")

    async def _beat(self) -> None:
        """Says that this server is there, once it knows what it is to do."""
        await self._server.synced()
        await self.assignments.synced()
        told = self._now, self._elapsed, self._catch_up
        await heartbeat.beat(self._client, self._name, *told, self._namespace)

    async def _keep_correct(self, uid: str, machine: Machine, news: asyncio.Event) -> None:
        while True:
            await news.wait()
            news.clear()
            if self.server is None or self.server.uid != uid:
                continue
            try:
                await registration.correct(self._client, self.server, machine)
            except ClientError as error:
                log.warning("what this machine is could not be said again: %s", error)
                news.set()
            await asyncio.sleep(CORRECT_SECONDS)

    async def _catch_up(self) -> None:
        """Waits until what is declared is heard again."""
        await asyncio.gather(self._server.anew(), self.assignments.anew())
        log.info("what is declared is heard again")
