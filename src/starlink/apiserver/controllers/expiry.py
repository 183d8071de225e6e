"""What goes by itself: events, which are news, after an hour, and bootstrap tokens after their time."""

import asyncio
import contextlib
from collections.abc import Callable

from starlink.api.errors import StatusError
from starlink.api.timestamp import parse_time
from starlink.apiserver.objects import Objects
from starlink.apiserver.objects.options import DeleteOptions
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication import bootstrap_tokens

KEPT_SECONDS = 3600.0
SWEEP_SECONDS = 60.0


async def expire(objects: Objects, registry: Registry, now: Callable[[], float]) -> None:
    """Sweeps until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        await sweep(objects, registry, now())


async def sweep(objects: Objects, registry: Registry, now: float) -> None:
    """Deletes what has expired by `now`, in epoch seconds."""
    events, secrets = registry.get("", "v1", "events"), registry.get("", "v1", "secrets")
    assert events is not None and secrets is not None
    old = [(events, r.key) for r in objects.store.list(events.storage) if is_old(encoding.raw(r), now)]
    tokens = objects.store.list(secrets.storage, bootstrap_tokens.NAMESPACE)
    old += [(secrets, r.key) for r in tokens if bootstrap_tokens.is_expired(encoding.raw(r), now)]
    for resource, key in old:
        with contextlib.suppress(StatusError):  # it has gone meanwhile
            await objects.delete(resource, key.namespace, key.name, DeleteOptions())


def is_old(event: encoding.Obj, now: float) -> bool:
    """Whether an Event was neither made nor seen in the hour before `now`, in epoch seconds. A moment that is yet to
    come counts for nothing: neither what the reporter says must keep an Event for ever, nor a clock that has been set
    back."""
    moments = parse_time(event["metadata"]["creationTimestamp"]), _last_seen(event)
    return not any(moment is not None and abs(now - moment) <= KEPT_SECONDS for moment in moments)


def _last_seen(event: encoding.Obj) -> float | None:
    told = (event.get("series") or {}).get("lastObservedTime") or event.get("lastTimestamp") or ""
    try:
        return parse_time(told)
    except (TypeError, ValueError):
        return None
