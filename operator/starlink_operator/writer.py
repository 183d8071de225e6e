"""The effects: one small function an action. Each is idempotent and conditional on what was observed."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import msgspec

from starlink.api.kinds import ASSIGNMENT, EVENT, Kind
from starlink.api.meta import Metadata, ObjectKey
from starlink.api.names import event_name
from starlink.api.timestamp import format_time
from starlink.client.bulk import Bulk
from starlink.client.errors import AlreadyExists, ClientError, NotFound
from starlink.client.kube import Client
from starlink.planning.plan import (
    Action,
    AddFinalizer,
    CreateAssignment,
    DeleteAssignment,
    Doubt,
    RecordEvent,
    ReleaseFinalizer,
    StopAssignment,
    UpdateStatus,
)
from starlink_operator.observed import Observed
from starlink_operator.outage import Outage

COMPONENT = "starlink-operator"
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
        observed: Observed,
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
        match action:
            case CreateAssignment():
                await self._create(action.manifest)
            case StopAssignment():
                spec = {"desired": "Stopped", "reason": action.reason}
                await self._patch(ASSIGNMENT, action.key, {"metadata": {"uid": action.uid}, "spec": spec})
            case DeleteAssignment():
                await self._delete(action)
            case Doubt():
                await self._doubt(action)
            case ReleaseFinalizer():
                await self._release(action)
            case AddFinalizer():
                metadata = {"uid": action.uid, "resourceVersion": action.resource_version}
                patch = {"metadata": {**metadata, "finalizers": [*action.finalizers, action.finalizer]}}
                await self._patch(action.kind, action.key, patch)
            case UpdateStatus():
                body = {"metadata": {"uid": action.uid}, "status": action.status}
                await self._patch(action.kind, action.key, body, "status")
            case RecordEvent():
                await self._event(action)

    async def _create(self, manifest: dict[str, Any]) -> None:
        namespace = manifest["metadata"]["namespace"]
        try:
            created = await self._bulk.create(manifest, namespace)
        except AlreadyExists:
            found = await self._client.get(ASSIGNMENT, manifest["metadata"]["name"], namespace)
            if not _is_ours(found, manifest):
                raise
            created = msgspec.json.encode(found)
        self._observed.assignments.overlay(created)

    async def _doubt(self, action: Doubt) -> None:
        key = action.key
        metadata = {"uid": action.uid, "resourceVersion": action.resource_version}
        patch = {"metadata": metadata, "status": action.status}
        with contextlib.suppress(NotFound):
            self._overlay(ASSIGNMENT, key, await self._bulk.patch_status(key.name, patch, key.namespace))

    async def _delete(self, action: DeleteAssignment) -> None:
        key = action.key
        with contextlib.suppress(NotFound):
            left = await self._client.delete(ASSIGNMENT, key.name, key.namespace, uid=action.uid)
            self._overlay(ASSIGNMENT, key, msgspec.json.encode(left))

    async def _release(self, action: ReleaseFinalizer) -> None:
        left = [name for name in action.finalizers if name != action.finalizer]
        metadata = {"uid": action.uid, "resourceVersion": action.resource_version, "finalizers": left or None}
        await self._patch(action.kind, action.key, {"metadata": metadata})

    async def _patch(self, kind: Kind, key: ObjectKey, patch: dict[str, Any], subresource: str = "") -> None:
        try:
            written = await self._client.patch_raw(kind, key.name, patch, key.namespace, subresource=subresource)
        except NotFound:
            return
        self._overlay(kind, key, written)

    def _overlay(self, kind: Kind, key: ObjectKey, written: bytes) -> None:
        """Shows one's own write in the cache, before the watch does."""
        cache = self._observed.cache(kind)
        if _is_gone(written):
            cache.overlay_gone(key)
        else:
            cache.overlay(written)

    async def _event(self, action: RecordEvent) -> None:
        """Losing an event is no failure."""
        key, now = action.key, format_time(self._wall())
        namespace = key.namespace or "default"
        name = event_name(key.name, action.uid, action.reason, "" if action.lasting else action.message)
        event = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": action.kind.api_version,
                "kind": action.kind.kind,
                "name": key.name,
                "namespace": key.namespace,
                "uid": action.uid,
            },
            "type": action.type,
            "reason": action.reason,
            "message": action.message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": COMPONENT,
        }
        with contextlib.suppress(ClientError):
            try:
                await self._client.create(EVENT, event, namespace)
            except AlreadyExists:
                known = await self._client.get(EVENT, name, namespace)
                again = {"count": int(known.get("count") or 1) + 1, "lastTimestamp": now, "message": action.message}
                await self._client.patch(EVENT, name, again, namespace)


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


def _is_ours(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether an object of the same name is the one that an earlier try made."""
    owners = {owner["uid"] for owner in found["metadata"].get("ownerReferences", ())}
    wanted_owner = wanted["metadata"]["ownerReferences"][0]["uid"]
    spec, wanted_spec = found["spec"], wanted["spec"]
    same = all(spec.get(field) == wanted_spec[field] for field in ("server", "slot", "attempt"))
    return wanted_owner in owners and same
