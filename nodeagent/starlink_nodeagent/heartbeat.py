"""The heartbeat: a Lease renewed every few seconds; and the agent's own token, renewed in time."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from starlink.api.kinds import LEASE
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.timestamp import format_micro_time
from starlink.client.errors import AlreadyExists, ClientError, NotFound
from starlink.client.kube import Client
from starlink.files import durable

log = logging.getLogger(__name__)

RENEW_SECONDS = 5.0
DURATION_SECONDS = 15
TOKEN_SECONDS = 7 * 24 * 3600


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


async def renew_token(client: Client, server: str, token_file: Path) -> None:
    """Asks for a new token when a third of a token's life has gone, until cancelled. The file is 0600. A token that
    can't be had or written is asked for again; the one that is there is good for days."""
    while True:
        try:
            token, _expiry = await client.request_token(SERVER_NAMESPACE, server, TOKEN_SECONDS)
            await asyncio.to_thread(durable.replace, token_file, f"{token}\n".encode())
            await asyncio.sleep(TOKEN_SECONDS / 3)
        except (ClientError, OSError, RuntimeError) as error:
            log.warning("the token could not be renewed: %s", error)
            await asyncio.sleep(60.0)
