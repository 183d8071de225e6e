"""What goes when something else goes: dependents of owners, contents of namespaces, objects of CRDs.

Level-driven: an index of owners and dependents, kept by watching everything, says what to look at;
the store is asked afresh before anything is deleted.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from msgspec import convert

from starlink.api.errors import StatusError, qualified
from starlink.api.timestamp import format_time
from starlink.apiserver.controllers import termination
from starlink.apiserver.controllers.bonds import Bond, Kinds, bond, invalid_namespace
from starlink.apiserver.controllers.ownership import Metadata, Owner, Ownership, metadata
from starlink.apiserver.controllers.termination import Remains
from starlink.apiserver.names import CRD_FINALIZER, EVENTS, FOREGROUND, NAMESPACES, ORPHAN
from starlink.apiserver.objects import Objects
from starlink.apiserver.objects.many import for_each
from starlink.apiserver.objects.options import DeleteOptions, WriteOptions
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.store.base import Conflict, Expired, Key, Record, StoreUnavailable, Watch

_BACKGROUND = DeleteOptions(propagation="Background")
_RETRY = 1.0
_AT_A_TIME = 200  # objects, before others have a turn

log = logging.getLogger(__name__)


class GarbageCollector:
    """One background task over one store."""

    def __init__(self, objects: Objects, registry: Registry) -> None:
        self._objects = objects
        self._store = objects.store
        self._registry = registry
        self._index = Ownership()
        self._kinds = Kinds(registry)
        self._unresolved: set[Key] = set()  # objects with an owner of a kind that is not served
        self._watch: Watch = objects.store.watch(None, None, objects.store.revision)
        self._due: set[Key] = set()

    async def run(self) -> None:
        """Until cancelled; starts anew when it could not follow."""
        while True:
            with contextlib.suppress(Expired):
                await self._follow()

    async def _follow(self) -> None:
        self._index = Ownership()
        since = self._store.revision
        for resource in self._store.resources():
            for number, record in enumerate(self._store.list(resource), 1):
                self._index.learn(record)
                if number % _AT_A_TIME == 0:
                    await asyncio.sleep(0)
        self._watch = self._store.watch(None, None, since)
        self._due = set(self._index.all)
        try:
            while True:
                self._take_note()
                if self._kinds.generation != self._registry.generation:
                    self._due |= self._unresolved
                    self._unresolved = set()
                due, self._due = self._due, set()
                self._due |= await self._collect(due)
                await self._wait()
        except StoreUnavailable:
            await asyncio.sleep(_RETRY)
        finally:
            self._watch.close()

    def _take_note(self) -> None:
        """Follows all that has happened by now. Raises Expired and StoreUnavailable."""
        while self._watch.behind:
            self._due |= self._index.affected(self._watch.take())

    async def _wait(self) -> None:
        """For events, or a little for what has failed."""
        timer = asyncio.get_running_loop().call_later(_RETRY, self._watch.wake) if self._due else None
        await self._watch.wait()
        if timer is not None:
            timer.cancel()
        self._due |= self._index.affected(self._watch.take())

    async def _collect(self, due: set[Key]) -> set[Key]:
        """Looks at each key; gives those that failed, to be looked at again."""
        left = set()

        async def look_at(key: Key) -> None:
            try:
                await self._look_at(key)
            except StatusError as error:
                if error.code != 404:
                    log.warning("garbage collection of %s failed: %s", key, error)
                    left.add(key)

        await for_each(sorted(due), look_at)
        return left

    async def _look_at(self, key: Key) -> None:
        record = self._store.latest(key)
        resource = self._resource(key)
        if record is None or resource is None:
            return
        meta = metadata(record)
        if meta.deletionTimestamp:
            await self._finish(resource, key, meta)
            return
        self._take_note()  # an owner may be younger than what has been followed
        bonds = {owner: self._bond(key, owner) for owner in meta.ownerReferences}
        await self._tell_of_namespaces(resource, key, meta, bonds)
        if Bond.UNRESOLVED in bonds.values():
            self._unresolved.add(key)
            return
        if Bond.MISPLACED in bonds.values():
            return
        gone = {owner for owner, found in bonds.items() if found is Bond.GONE}
        if gone and len(gone) == len(bonds):
            options = DeleteOptions(uid=meta.uid, propagation="Background")
            await self._objects.delete(resource, key.namespace, key.name, options)
        elif gone:
            await self._objects.update(
                resource, key.namespace, key.name, lambda obj: _without_references(obj, gone), WriteOptions()
            )

    def _bond(self, dependent: Key, owner: Owner) -> Bond:
        return bond(dependent, owner, self._kinds.find(owner), self._index.uid_at)

    async def _tell_of_namespaces(
        self, resource: Resource, key: Key, meta: Metadata, bonds: Mapping[Owner, Bond]
    ) -> None:
        """Leaves an Event for each owner that is in a namespace where it can't be one."""
        events = self._registry.stored(EVENTS)
        for owner, found in bonds.items():
            place = self._index.place_of(owner.uid)
            elsewhere = found is Bond.GONE and place is not None and place.namespace not in ("", key.namespace)
            if events is not None and (elsewhere or found is Bond.MISPLACED):
                told = invalid_namespace(resource, key, meta.uid, owner, self._objects.now())
                with contextlib.suppress(StatusError):  # it is there, or its namespace is going
                    await self._objects.create(events, told["metadata"]["namespace"], told, WriteOptions())

    async def _finish(self, resource: Resource, key: Key, meta: Metadata) -> None:
        self._take_note()  # a dependent may be younger than what has been followed
        if FOREGROUND in meta.finalizers and await self._dependents_gone(meta.uid):
            await self._take(resource, key, FOREGROUND)
        if ORPHAN in meta.finalizers:
            await self._orphan(meta.uid)
            await self._take(resource, key, ORPHAN)
        if CRD_FINALIZER in meta.finalizers and await self._instances_gone(key.name):
            await self._take(resource, key, CRD_FINALIZER)
        if key.resource == NAMESPACES:
            await self._end_namespace(resource, key)

    # Owners and dependents

    def _dependents(self, uid: str) -> list[Key]:
        """The objects that are an owner's: whoever knows its uid can write that it is theirs."""
        return [key for key in self._index.dependents(uid) if self._is_dependent(key, uid)]

    def _is_dependent(self, key: Key, uid: str) -> bool:
        record = self._store.latest(key)
        owners = metadata(record).ownerReferences if record is not None else ()
        return any(owner.uid == uid and self._bond(key, owner) is Bond.SOLID for owner in owners)

    async def _dependents_gone(self, uid: str) -> bool:
        """Deletes the dependents; True once none that blocks its owner is left."""
        blocking = False

        async def delete(key: Key) -> None:
            nonlocal blocking
            record, resource = self._store.latest(key), self._resource(key)
            if record is None or resource is None:
                return
            meta = metadata(record)
            blocking |= any(owner.uid == uid and owner.blockOwnerDeletion for owner in meta.ownerReferences)
            if not meta.deletionTimestamp:
                with contextlib.suppress(StatusError):
                    await self._objects.delete(resource, key.namespace, key.name, _BACKGROUND)

        await for_each(self._dependents(uid), delete)
        return not blocking

    async def _orphan(self, uid: str) -> None:
        async def leave(key: Key) -> None:
            resource = self._resource(key)
            if resource is not None:
                await self._leave(resource, key, {uid})

        await for_each(self._dependents(uid), leave)

    async def _leave(self, resource: Resource, key: Key, uids: set[str]) -> None:
        """Takes owners out of an object."""
        await self._objects.update(
            resource, key.namespace, key.name, lambda obj: _without_owners(obj, uids), WriteOptions()
        )

    async def _take(self, resource: Resource, key: Key, finalizer: str) -> None:
        await self._objects.update(
            resource, key.namespace, key.name, lambda obj: _without_finalizer(obj, finalizer), WriteOptions()
        )

    # Contents of CRDs and namespaces

    async def _instances_gone(self, crd: str) -> bool:
        plural, _, group = crd.partition(".")
        return not await self._emptied(f"{group}/{plural}", None, [])

    async def _end_namespace(self, resource: Resource, key: Key) -> None:
        """Empties the namespace; takes it away once nothing holds it, or says what does."""
        left = await self._remains(key.name)
        record = self._store.latest(key)
        if record is None:
            return
        obj = encoding.raw(record)
        if not left.resources and not _is_held(obj):
            with contextlib.suppress(Conflict):  # looked at again after that write
                await self._store.delete(key, expect=record.revision)
            return
        before = (obj.get("status") or {}).get("conditions") or []
        after = termination.conditions(before, left, format_time(self._objects.now()))
        if after != before:
            await self._objects.update(
                resource, "", key.name, lambda now: _with_conditions(now, after), WriteOptions(), subresource="status"
            )

    async def _remains(self, namespace: str) -> Remains:
        """Deletes everything in a namespace; gives what is left."""
        resources: Counter[str] = Counter()
        finalizers: Counter[str] = Counter()
        failures: list[str] = []
        for storage in self._store.resources():
            left = await self._emptied(storage, namespace, failures)
            if left:
                group, _, plural = storage.rpartition("/")
                resources[f"{plural}.{group}"] = len(left)
                finalizers.update(name for record in left for name in metadata(record).finalizers)
        return Remains(resources, finalizers, failures)

    async def _emptied(self, storage: str, namespace: str | None, failures: list[str]) -> Sequence[Record]:
        """Deletes all objects of a resource; gives those that are left, and adds to `failures` what went wrong."""
        resource = self._registry.stored(storage)
        if resource is not None and (namespace is None or resource.namespaced):
            await for_each(self._store.list(storage, namespace), lambda record: self._empty(resource, record, failures))
        return self._store.list(storage, namespace)

    async def _empty(self, resource: Resource, record: Record, failures: list[str]) -> None:
        if metadata(record).deletionTimestamp is not None:
            return
        try:
            await self._objects.delete(resource, record.key.namespace, record.key.name, _BACKGROUND)
        except StatusError as error:
            if error.code != 404:
                failures.append(f"{qualified(resource.group, resource.plural)}: {error}")

    def _resource(self, key: Key) -> Resource | None:
        return self._registry.stored(key.resource)


def _is_held(namespace: encoding.Obj) -> bool:
    """Whether finalizers of others hold a namespace; `kubernetes` in its spec is the collector's own."""
    own = set(namespace.get("spec", {}).get("finalizers") or ()) - {"kubernetes"}
    return bool(own or namespace["metadata"].get("finalizers"))


def _with_conditions(namespace: encoding.Obj, conditions: list[encoding.Obj]) -> encoding.Obj:
    return {**namespace, "status": {**(namespace.get("status") or {}), "conditions": conditions}}


def _without_owners(obj: encoding.Obj, uids: set[str]) -> encoding.Obj:
    owners = [owner for owner in obj["metadata"].get("ownerReferences", []) if owner["uid"] not in uids]
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": owners}}


def _without_references(obj: encoding.Obj, gone: Set[Owner]) -> encoding.Obj:
    """References are compared whole: another object may have had the same name, or bear the same uid elsewhere."""
    owners = [owner for owner in obj["metadata"].get("ownerReferences", []) if convert(owner, Owner) not in gone]
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": owners}}


def _without_finalizer(obj: encoding.Obj, finalizer: str) -> encoding.Obj:
    left = [name for name in obj["metadata"].get("finalizers", []) if name != finalizer]
    return {**obj, "metadata": {**obj["metadata"], "finalizers": left}}
