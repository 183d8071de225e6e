"""What goes when something else goes: dependents of owners, contents of namespaces, objects of CRDs.

Level-driven: an index of owners and dependents, kept by watching everything, says what to look at;
the store is asked afresh before anything is deleted.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from starlink.apiserver import encoding
from starlink.apiserver.errors import StatusError
from starlink.apiserver.names import CRD_FINALIZER, FOREGROUND, NAMESPACES, ORPHAN
from starlink.apiserver.objects import Objects
from starlink.apiserver.options import DeleteOptions, WriteOptions
from starlink.apiserver.resource import Registry, Resource
from starlink.store.base import Change, Conflict, Event, Expired, Key, Record, StoreUnavailable

_BACKGROUND = DeleteOptions(propagation="Background")
_RETRY = 1.0

log = logging.getLogger(__name__)


class _Owner(msgspec.Struct):
    uid: str
    blockOwnerDeletion: bool = False


class _Metadata(msgspec.Struct):
    uid: str
    finalizers: list[str] = []
    deletionTimestamp: str | None = None
    ownerReferences: list[_Owner] = []


class _Head(msgspec.Struct):
    metadata: _Metadata


_head = msgspec.json.Decoder(_Head)


class GarbageCollector:
    """One background task over one store."""

    def __init__(self, objects: Objects, registry: Registry) -> None:
        self._objects = objects
        self._store = objects.store
        self._registry = registry
        self._uids: dict[Key, str] = {}
        self._live: set[str] = set()
        self._dependents: dict[str, set[Key]] = defaultdict(set)
        self._owners: dict[Key, tuple[str, ...]] = {}
        self._waiting: set[Key] = set()  # marked for deletion, held by a finalizer that is ours to take

    async def run(self) -> None:
        """Until cancelled; starts anew when it could not follow."""
        while True:
            with contextlib.suppress(Expired):
                await self._follow()

    async def _follow(self) -> None:
        self.__init__(self._objects, self._registry)  # type: ignore[misc]
        since = self._store.revision
        for resource in self._store.resources():
            for record in self._store.list(resource):
                self._learn(record)
        due = set(self._owners) | self._waiting
        watch = self._store.watch(None, None, since)
        batches = watch.__aiter__()
        following = asyncio.ensure_future(anext(batches))
        try:
            while True:
                left = await self._collect(due)
                done, _ = await asyncio.wait([following], timeout=_RETRY if left else None)
                due = left
                if done:
                    due = left | self._affected(following.result())
                    following = asyncio.ensure_future(anext(batches))
        except (StoreUnavailable, StopAsyncIteration):
            await asyncio.sleep(_RETRY)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            watch.close()

    # The index

    def _learn(self, record: Record) -> None:
        key, meta = record.key, _head.decode(record.body).metadata
        self._forget(key)
        self._uids[key] = meta.uid
        self._live.add(meta.uid)
        if meta.ownerReferences:
            self._owners[key] = tuple(owner.uid for owner in meta.ownerReferences)
            for uid in self._owners[key]:
                self._dependents[uid].add(key)
        if meta.deletionTimestamp and self._ours(key, meta.finalizers):
            self._waiting.add(key)

    def _ours(self, key: Key, finalizers: Iterable[str]) -> bool:
        return key.resource == NAMESPACES or not {FOREGROUND, ORPHAN, CRD_FINALIZER}.isdisjoint(finalizers)

    def _forget(self, key: Key) -> None:
        uid = self._uids.pop(key, None)
        if uid is not None:
            self._live.discard(uid)
        for owner in self._owners.pop(key, ()):
            self._dependents[owner].discard(key)
            if not self._dependents[owner]:
                del self._dependents[owner]
        self._waiting.discard(key)

    def _affected(self, events: Iterable[Event]) -> set[Key]:
        """The keys to look at after these events."""
        due: set[Key] = set()
        for event in events:
            key = event.record.key
            if event.change is Change.PUT:
                self._learn(event.record)
                due.add(key)
            else:
                uid = self._uids.get(key)
                self._forget(key)
                due |= self._dependents.get(uid, set()) if uid else set()
                due |= self._waiting  # a namespace, CRD or owner may have waited for this one
        return {key for key in due if key in self._owners or key in self._waiting}

    # The work

    async def _collect(self, due: set[Key]) -> set[Key]:
        """Looks at each key; gives those that failed, to be looked at again."""
        left = set()
        for key in sorted(due):
            try:
                await self._look_at(key)
            except StatusError as error:
                if error.code != 404:
                    log.warning("garbage collection of %s failed: %s", key, error)
                    left.add(key)
        return left

    async def _look_at(self, key: Key) -> None:
        record = self._store.latest(key)
        resource = self._resource(key)
        if record is None or resource is None:
            return
        meta = _head.decode(record.body).metadata
        if meta.deletionTimestamp:
            await self._finish(resource, key, meta)
            return
        gone = {owner.uid for owner in meta.ownerReferences if owner.uid not in self._live}
        if gone and len(gone) == len(meta.ownerReferences):
            options = DeleteOptions(uid=meta.uid, propagation="Background")
            await self._objects.delete(resource, key.namespace, key.name, options)
        elif gone:
            await self._leave(resource, key, gone)

    async def _finish(self, resource: Resource, key: Key, meta: _Metadata) -> None:
        if FOREGROUND in meta.finalizers and await self._dependents_gone(meta.uid):
            await self._take(resource, key, FOREGROUND)
        if ORPHAN in meta.finalizers:
            await self._orphan(meta.uid)
            await self._take(resource, key, ORPHAN)
        if CRD_FINALIZER in meta.finalizers and await self._instances_gone(key.name):
            await self._take(resource, key, CRD_FINALIZER)
        if key.resource == NAMESPACES and await self._contents_gone(key.name):
            await self._finalize_namespace(key)

    async def _dependents_gone(self, uid: str) -> bool:
        """Deletes the dependents; True once none that blocks its owner is left."""
        blocked = False
        for key in sorted(self._dependents.get(uid, ())):
            record, resource = self._store.latest(key), self._resource(key)
            if record is None or resource is None:
                continue
            meta = _head.decode(record.body).metadata
            blocked |= any(owner.uid == uid and owner.blockOwnerDeletion for owner in meta.ownerReferences)
            if not meta.deletionTimestamp:
                with contextlib.suppress(StatusError):
                    await self._objects.delete(resource, key.namespace, key.name, _BACKGROUND)
                blocked |= self._store.latest(key) is not None and blocked
        return not blocked

    async def _orphan(self, uid: str) -> None:
        for key in sorted(self._dependents.get(uid, ())):
            resource = self._resource(key)
            if resource is not None:
                await self._leave(resource, key, {uid})

    async def _leave(self, resource: Resource, key: Key, uids: set[str]) -> None:
        """Takes owners out of an object."""
        await self._objects.update(
            resource, key.namespace, key.name, lambda obj: _without_owners(obj, uids), WriteOptions()
        )

    async def _take(self, resource: Resource, key: Key, finalizer: str) -> None:
        await self._objects.update(
            resource, key.namespace, key.name, lambda obj: _without_finalizer(obj, finalizer), WriteOptions()
        )

    async def _instances_gone(self, crd: str) -> bool:
        plural, _, group = crd.partition(".")
        return await self._emptied(f"{group}/{plural}", None)

    async def _contents_gone(self, namespace: str) -> bool:
        emptied = True
        for resource in self._store.resources():
            emptied &= await self._emptied(resource, namespace)
        return emptied

    async def _emptied(self, storage: str, namespace: str | None) -> bool:
        """Deletes all objects of a resource; True once none is left."""
        for record in tuple(self._store.list(storage, namespace)):
            key, resource = record.key, self._resource(record.key)
            if resource is None or (namespace is not None and not resource.namespaced):
                continue
            if _head.decode(record.body).metadata.deletionTimestamp is None:
                with contextlib.suppress(StatusError):
                    await self._objects.delete(resource, key.namespace, key.name, _BACKGROUND)
        return not self._store.list(storage, namespace)

    async def _finalize_namespace(self, key: Key) -> None:
        record = self._store.latest(key)
        if record is not None and not _held(encoding.raw(record)):
            with contextlib.suppress(Conflict):  # looked at again after that write
                await self._store.delete(key, expect=record.revision)

    def _resource(self, key: Key) -> Resource | None:
        return self._registry.stored(key.resource)


def _held(namespace: encoding.Obj) -> bool:
    """Whether finalizers of others hold a namespace; `kubernetes` in its spec is the collector's own."""
    own = set(namespace.get("spec", {}).get("finalizers") or ()) - {"kubernetes"}
    return bool(own or namespace["metadata"].get("finalizers"))


def _without_owners(obj: encoding.Obj, uids: set[str]) -> encoding.Obj:
    owners = [owner for owner in obj["metadata"].get("ownerReferences", []) if owner["uid"] not in uids]
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": owners}}


def _without_finalizer(obj: encoding.Obj, finalizer: str) -> encoding.Obj:
    left = [name for name in obj["metadata"].get("finalizers", []) if name != finalizer]
    return {**obj, "metadata": {**obj["metadata"], "finalizers": left}}
