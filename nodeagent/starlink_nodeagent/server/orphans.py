"""What goes on running on a server although nobody declares it: named in the log once, and in the Server's status."""

import logging
from collections.abc import Iterable

from starlink.api.kinds import SERVER
from starlink.api.server import Server
from starlink.client.errors import ClientError
from starlink.client.kube import Client

log = logging.getLogger(__name__)


class Orphans:
    """Of the server with this name."""

    def __init__(self, client: Client, server: str) -> None:
        self._client, self._server = client, server
        self._names: tuple[str, ...] = ()

    def note(self, names: Iterable[str]) -> None:
        """These are all that there are now."""
        found = tuple(sorted({*names}))
        for name in sorted({*found} - {*self._names}):
            log.warning("an instance that nobody declares goes on running", extra={"assignment": name})
        self._names = found

    async def own_up(self, known: Server | None, uid: str) -> None:
        """Says so in the status of the Server with this UID; `known` is the Server as it was last heard of."""
        if known is None or known.status.orphans == self._names:
            return
        try:
            server = await self._client.get(SERVER, self._server)
            if server["metadata"]["uid"] == uid:
                await self._client.patch_status(SERVER, server, {"orphans": list(self._names) or None})
        except ClientError as error:
            log.warning("the orphans could not be reported: %s", error)
