"""The heartbeat: a Lease renewed every few seconds. It says that the agent lives, and that it acts."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from starlink.api.kinds import LEASE
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.timestamp import format_micro_time
from starlink.client.errors import AlreadyExists, ClientError, NotFound
from starlink.client.kube import Client
from starlink_nodeagent.server import refusal

log = logging.getLogger(__name__)

RENEW_SECONDS = 5.0
DURATION_SECONDS = 15
ANSWER_SECONDS = 5.0
"""How long a beat is waited for. One that comes later is none: with the pause before it, it could be heard after
something of the server has been given up (`lostAfter`, 12 s at least), and before the agent has learnt of that."""
MISSED_SECONDS = 10.0
"""So long after the last beat something of the server may soon be given up."""


async def beat(
    client: Client,
    server: str,
    now: Callable[[], float],
    elapsed: Callable[[], float],
    catch_up: Callable[[], Awaitable[None]],
    namespace: str = SERVER_NAMESPACE,
) -> None:
    """Renews the Lease until cancelled. After a beat that was not answered, or that came late, the agent catches up
    with what is declared before it says again that it is there. `now` is epoch seconds; `elapsed` are seconds that go
    on while the machine sleeps.
    """
    answered, told = elapsed(), ""
    while True:
        try:
            begun = elapsed()
            if begun - answered >= MISSED_SECONDS:
                await catch_up()
                begun = elapsed()
            async with asyncio.timeout(ANSWER_SECONDS):
                await renew(client, server, now(), namespace)
            if answered < 0:
                log.info("the heartbeat gets through again")
            answered, why = begun, ""
        except ClientError as error:
            answered, why = float("-inf"), refusal.reason(error, server) or str(error)
        except TimeoutError:
            answered, why = float("-inf"), f"no answer within {ANSWER_SECONDS:g} s"
        if why and why != told:
            log.warning("the heartbeat did not get through: %s", why)
        told = why
        await asyncio.sleep(RENEW_SECONDS)


async def renew(client: Client, server: str, now: float, namespace: str = SERVER_NAMESPACE) -> None:
    """One beat. Raises ClientError."""
    spec = {"holderIdentity": server, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": format_micro_time(now)}
    try:
        await client.patch_raw(LEASE, server, {"spec": spec}, namespace)
    except NotFound:
        lease = {"metadata": {"name": server}, "spec": spec}
        with contextlib.suppress(AlreadyExists):
            await client.create_raw(LEASE, lease, namespace)
