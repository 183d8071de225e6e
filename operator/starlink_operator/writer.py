"""The effects: what each action is at the API, sent. Each is idempotent and conditional on what was observed."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import msgspec

from starlink.api.event import About, Source, event
from starlink.api.kinds import ASSIGNMENT, EVENT
from starlink.api.meta import Metadata
from starlink.api.names import event_name
from starlink.api.timestamp import format_time
from starlink.client.bulk import Bulk
from starlink.client.errors import AlreadyExists, ClientError, NotFound
from starlink.client.kube import Client
from starlink.planning.effects import Effect, effect
from starlink.planning.plan import Action, RecordEvent
from starlink_operator.caches import Caches
from starlink_operator.outage import Outage

SOURCE = Source("starlink-operator", instance="starlink-operator")
AT_ONCE = 32
"""Requests of one write each that are under way, so that those that arrive together commit together."""
NOT_LEADING_SECONDS = 0.5
"""Between two looks at whether it leads again."""


class NotLeading(Exception):
    """Nothing may be written any more, or yet."""


class Writer:
    """Writes while leading; what it wrote is visible in the caches at once."""

    def __init__(
        self,
        client: Client,
        observed: Caches,
        wall: Callable[[], float],
        leads: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._observed = observed
        self._wall = wall
        self._leads = leads
        self._monotonic = monotonic
        self._outage = Outage()
        self._bulk = Bulk(client, ASSIGNMENT, singles=AT_ONCE, now=monotonic, held=self._held)

    def _held(self) -> NotLeading | None:
        """What keeps a write from being sent."""
        return None if self._leads() else NotLeading()

    def rest(self) -> float:
        """Seconds for which nothing is to be written: another may lead, or the API takes no writes; 0 when it may."""
        return self._outage.rest(self._monotonic()) if self._leads() else NOT_LEADING_SECONDS

    async def write(self, action: Action) -> None:
        """Raises ClientError: observe again; and NotLeading."""
        if held := self._held():
            raise held
        try:
            await self._write(action)
        except ClientError as error:
            self._outage.failed(error, self._monotonic())
            raise
        self._outage.succeeded()

    async def _write(self, action: Action) -> None:
        if isinstance(action, RecordEvent):
            await self._event(action)
            return
        done = effect(action)
        if done.verb == "create":
            self._overlay(done, await self._create(done))
            return
        with contextlib.suppress(NotFound):  # gone already is done
            self._overlay(done, await self._change(done))

    async def _create(self, done: Effect) -> bytes:
        kind, name, namespace = done.kind, done.key.name, done.key.namespace
        try:
            if _is_gathered(done):
                return await self._bulk.create(done.body, namespace)
            return await self._client.create_raw(kind, done.body, namespace)
        except AlreadyExists:
            found = await self._client.get(kind, name, namespace)
            if not _is_ours(found, done.body):
                raise
            return msgspec.json.encode(found)

    async def _change(self, done: Effect) -> bytes:
        kind, name, namespace = done.kind, done.key.name, done.key.namespace
        if done.verb == "delete":
            return msgspec.json.encode(await self._client.delete(kind, name, namespace, uid=done.uid))
        if _is_gathered(done):
            return await self._bulk.patch_status(name, done.conditional, namespace)
        return await self._client.patch_raw(kind, name, done.conditional, namespace, subresource=done.subresource)

    def _overlay(self, done: Effect, written: bytes) -> None:
        """Shows one's own write in the cache, before the watch does."""
        if not self._observed.has(done.kind):
            return
        cache = self._observed.cache(done.kind)
        if _is_gone(written):
            cache.overlay_gone(done.key)
        else:
            cache.overlay(written)

    async def _event(self, action: RecordEvent) -> None:
        """Losing an event is no failure."""
        key, kind, now = action.key, action.kind, self._wall()
        name = event_name(key.name, action.uid, action.reason, "" if action.lasting else action.message)
        about = About(kind.api_version, kind.kind, key, action.uid)
        body = event(about, SOURCE, name, action.type, action.reason, action.message, now)
        with contextlib.suppress(ClientError):
            try:
                await self._client.create(EVENT, body, about.namespace)
            except AlreadyExists:
                known = await self._client.get(EVENT, name, about.namespace)
                count = int(known.get("count") or 1) + 1
                again = {"count": count, "lastTimestamp": format_time(now), "message": action.message}
                await self._client.patch(EVENT, name, again, about.namespace)


class _Left(msgspec.Struct):
    """What tells whether an object is still there after a write."""

    kind: str
    metadata: Metadata = msgspec.field(default_factory=Metadata)


_left_decoder = msgspec.json.Decoder(_Left)


def _is_gone(written: bytes) -> bool:
    """Whether an object is there no more after a write; one that can't be read is there."""
    try:
        left = _left_decoder.decode(written)
    except msgspec.MsgspecError:
        return False
    return left.kind == "Status" or (left.metadata.deleting and not left.metadata.finalizers)


def is_gathered(action: Action) -> bool:
    """Whether a writer takes any number of such actions at once, for they go together."""
    return not isinstance(action, RecordEvent) and _is_gathered(effect(action))


def _is_gathered(done: Effect) -> bool:
    return done.kind == ASSIGNMENT and (done.verb == "create" or done.subresource == "status")


def _is_ours(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether an object of the same name is the one that an earlier try made."""
    same_owner = _controllers(found) == _controllers(wanted)
    return same_owner and all(_covers(found.get(part), wanted[part]) for part in wanted if part not in _OF_ANY)


_OF_ANY = ("apiVersion", "kind", "metadata")


def _controllers(obj: dict[str, Any]) -> set[str]:
    return {owner["uid"] for owner in obj["metadata"].get("ownerReferences", ())}


def _covers(found: Any, wanted: Any) -> bool:
    """Whether it has all that was asked for; the API may have added defaults."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_covers(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list | tuple):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_covers, found, wanted))
    return bool(found == wanted)
