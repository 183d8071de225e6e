"""The heartbeat: a Lease renewed every few seconds."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from starlink.api.kinds import LEASE
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.timestamp import format_micro_time
from starlink.client.errors import AlreadyExists, ClientError, NotFound
from starlink.client.kube import Client

log = logging.getLogger(__name__)

RENEW_SECONDS = 5.0
DURATION_SECONDS = 15


async def beat(client: Client, server: str, now: Callable[[], float]) -> None:
    """Renews the Lease until cancelled."""
    while True:
        try:
            await renew(client, server, now())
        except ClientError as error:
            log.warning("the heartbeat did not get through: %s", error)
        await asyncio.sleep(RENEW_SECONDS)


async def renew(client: Client, server: str, now: float) -> None:
    """One beat. Raises ClientError."""
    spec = {"holderIdentity": server, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": format_micro_time(now)}
    try:
        await client.patch_raw(LEASE, server, {"spec": spec}, SERVER_NAMESPACE)
    except NotFound:
        lease = {"metadata": {"name": server}, "spec": spec}
        with contextlib.suppress(AlreadyExists):
            await client.create_raw(LEASE, lease, SERVER_NAMESPACE)
