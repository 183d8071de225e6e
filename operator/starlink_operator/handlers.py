"""kopf's part: events of the user's kinds that are few, and nothing else of kopf's.

An event costs it more than a millisecond, so what comes by the thousands has a cache of its own (`observed.py`).
No finalizers, no annotations, no daemons: an event says that something changed, and what it was then.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import kopf
import msgspec

from starlink.api.kinds import Kind
from starlink.client.config import Config
from starlink.client.credentials import Credentials
from starlink.client.errors import ClientError
from starlink_operator.observed import Observed
from starlink_operator.session import session

LOGIN_SECONDS = 5.0
"""Between two tries of kopf's to log in."""


def registry(config: Config, observed: Observed) -> kopf.OperatorRegistry:
    """The handlers, for `kopf.operator`."""
    handlers = kopf.OperatorRegistry()
    credentials = Credentials(config)

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        try:
            made = await session(config, credentials)
        except ClientError as error:
            raise kopf.TemporaryError(str(error), delay=LOGIN_SECONDS) from None
        return kopf.AiohttpSession(server=config.server, aiohttp_session=made)

    for kind in observed.brought:
        _bring(kind, observed, handlers)
    return handlers


def _bring(kind: Kind, observed: Observed, handlers: kopf.OperatorRegistry) -> None:
    @kopf.on.event(kind.group, kind.version, kind.plural, registry=handlers)
    async def heard(event: kopf.RawEvent, **_: Any) -> None:
        observed.cache(kind).hear(event["type"], msgspec.json.encode(event["object"]))


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


Tasks = Collection["asyncio.Task[Any]"]


async def spawn(config: Config, observed: Observed, stop: asyncio.Event) -> tuple[Tasks, Tasks]:
    """Begins kopf, which ends when `stop` is set or it is told to by a signal. Gives its tasks, and those that there
    were before."""
    others = asyncio.all_tasks()
    spawned = await kopf.spawn_tasks(
        registry=registry(config, observed),
        settings=settings(),
        clusterwide=True,
        standalone=True,
        stop_flag=stop,
    )
    return spawned, others


async def run(spawned: Tasks, others: Tasks) -> None:
    """Goes on with what was begun until its end, when it cancels whatever runs but the `others`."""
    await kopf.run_tasks(spawned, ignored=others)
