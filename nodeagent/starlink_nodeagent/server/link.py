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
from starlink.client.kube import Client
from starlink_nodeagent.server import heartbeat, identity, registration

log = logging.getLogger(__name__)


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

    async def run(self, uid: str) -> None:
        """Until cancelled, or until the Server with this UID has gone: raises ServerDeleted then, or
        ServersUndefined."""
        deleted = asyncio.Event()

        def changed(change: Change[Server]) -> None:
            if change.new is None and change.old is not None and change.old.uid == uid:
                deleted.set()

        self._server.subscribe(changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._server.run())
            group.create_task(self.assignments.run())
            group.create_task(self._beat())
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

    async def _catch_up(self) -> None:
        """Waits until what is declared is heard again."""
        await asyncio.gather(self._server.anew(), self.assignments.anew())
        log.info("what is declared is heard again")
