"""kopf's part: events of the user's kinds that are few, and nothing else of kopf's.

An event costs it more than a millisecond, so what comes by the thousands has a cache of its own (`observed.py`).
No finalizers, no annotations, no daemons: an event says that something changed, and what it was then.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import kopf
import msgspec

from starlink.api.kinds import Kind
from starlink.client.config import Config
from starlink.client.credentials import Credentials
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink_operator import rights
from starlink_operator.caches import Caches
from starlink_operator.compartment import Compartment
from starlink_operator.session import session

LOGIN_SECONDS = 5.0
"""Between two tries of kopf's to log in."""
SERVED_SECONDS = 2.0
"""Between two looks whether a kind is served."""


class Ended(Exception):
    """kopf has ended, and nobody told it to."""


def registry(config: Config, observed: Caches, kind: Kind) -> kopf.OperatorRegistry:
    """The handlers of one kind, for `kopf.operator`."""
    handlers = kopf.OperatorRegistry()
    credentials = Credentials(config)

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        try:
            made = await session(config, credentials)
        except ClientError as error:
            raise kopf.TemporaryError(str(error), delay=LOGIN_SECONDS) from None
        return kopf.AiohttpSession(server=config.server, aiohttp_session=made)

    @kopf.on.event(kind.group, kind.version, kind.plural, registry=handlers)
    async def heard(event: kopf.RawEvent, **_: Any) -> None:
        observed.cache(kind).hear(event["type"], msgspec.json.encode(event["object"]))

    return handlers


def settings() -> kopf.OperatorSettings:
    """kopf, kept quiet."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.peering.standalone = True
    chosen.process.ultimate_exiting_timeout = None
    chosen.networking.error_backoffs = (0.2, 0.5, 1, 2, 3, 5)
    chosen.watching.reconnect_backoff = 0.05
    return chosen


async def bring(
    config: Config,
    client: Client,
    observed: Caches,
    monotonic: Callable[[], float],
    stop: asyncio.Event,
    begun: Callable[[], None],
) -> None:
    """Brings the kinds until `stop` is set, or cancelled. Each has a kopf of its own, so that a kind of which the right
    or the CRD is missing keeps no other waiting. `begun` is called whenever one has begun: it has taken the signals."""
    async with asyncio.TaskGroup() as group:
        for kind in observed.brought:
            within = Compartment(f"{kind.plural} by kopf", monotonic)
            go = partial(_follow, config, client, observed, kind, stop, begun)
            group.create_task(within.keep_on("the watch", go))


async def _follow(
    config: Config, client: Client, observed: Caches, kind: Kind, stop: asyncio.Event, begun: Callable[[], None]
) -> None:
    """Raises what ends it, and anything else is tried again by who calls."""
    await rights.given(client, rights.following((kind,)))
    await _served(client, kind)
    spawned = await kopf.spawn_tasks(
        registry=registry(config, observed, kind),
        settings=settings(),
        clusterwide=True,
        standalone=True,
        stop_flag=stop,
    )
    begun()
    try:
        done, _ = await asyncio.wait(spawned, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(spawned)
    if not stop.is_set():
        for one in done:
            one.result()
        raise Ended


async def _end(spawned: Collection["asyncio.Task[Any]"]) -> None:
    """Whoever is cancelled meanwhile waits all the same: kopf closes its connections last."""
    for one in spawned:
        one.cancel()
    cancelled: asyncio.CancelledError | None = None
    while left := [one for one in spawned if not one.done()]:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def _served(client: Client, kind: Kind) -> None:
    """Waits until the API knows the kind: kopf looks for kinds once."""
    while True:
        with contextlib.suppress(ClientError):
            await client.list(kind)
            return
        await asyncio.sleep(SERVED_SECONDS)
