"""Events are news: they go after an hour, as the real server's do."""

import asyncio
import contextlib
from collections.abc import Callable

from starlink.api.timestamp import parse_time
from starlink.apiserver import encoding
from starlink.apiserver.errors import StatusError
from starlink.apiserver.objects import Objects
from starlink.apiserver.options import DeleteOptions
from starlink.apiserver.resource import Registry

KEPT_SECONDS = 3600.0
SWEEP_SECONDS = 60.0


async def expire_events(objects: Objects, registry: Registry, now: Callable[[], float]) -> None:
    """Sweeps until cancelled."""
    events = registry.get("", "v1", "events")
    assert events is not None
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        oldest = now() - KEPT_SECONDS
        for record in tuple(objects.store.list(events.storage)):
            if _last_seen(encoding.raw(record)) < oldest:
                with contextlib.suppress(StatusError):
                    await objects.delete(events, record.key.namespace, record.key.name, DeleteOptions())


def _last_seen(event: encoding.Obj) -> float:
    series = event.get("series") or {}
    told = series.get("lastObservedTime") or event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
    try:
        return parse_time(told)
    except (TypeError, ValueError):
        return parse_time(event["metadata"]["creationTimestamp"])
