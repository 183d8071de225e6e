"""The one way to the objects of a store."""

import random
from collections.abc import Callable

from starlink.api import errors
from starlink.apiserver import aside
from starlink.apiserver.objects import applying, creating, deleting, updating
from starlink.apiserver.objects.backing import Backing
from starlink.apiserver.objects.contract import UNRESTRICTED, Admission, Change, Write, Written
from starlink.apiserver.objects.options import DeleteOptions, WriteOptions
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Key, Record, Store


class Objects:
    """The objects in a store. `now` is epoch seconds; `rng` names and numbers."""

    def __init__(self, store: Store, now: Callable[[], float], rng: random.Random) -> None:
        self.store = store
        self.now = now
        self._backing = Backing(store, now, rng)

    def record(self, resource: Resource, namespace: str, name: str) -> Record:
        """Raises StatusError 404."""
        record = self.store.get(Key(resource.storage, namespace, name))
        if record is None:
            raise errors.not_found(resource.group, resource.plural, name)
        return record

    def exists(self, resource: Resource, namespace: str, name: str) -> bool:
        return self.store.get(Key(resource.storage, namespace, name)) is not None

    async def create(
        self,
        resource: Resource,
        namespace: str,
        obj: Obj,
        options: WriteOptions,
        admission: Admission = UNRESTRICTED,
    ) -> Written:
        """Raises StatusError: 400, 403, 404 (namespace), 409, 413, 422."""
        return await creating.create(self._backing, Write(resource, options, admission), namespace, obj)

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Change,
        options: WriteOptions,
        *,
        subresource: str = "",
        admission: Admission = UNRESTRICTED,
    ) -> Written:
        """Writes `change(current)`; tried again on a race unless the result names a resourceVersion.

        Raises StatusError: 404, 409, and as `create`.
        """
        write = Write(resource, options, admission, subresource)

        async def once(current: Record | None) -> Written:
            if current is None:
                raise errors.not_found(resource.group, resource.plural, name)
            return await updating.update(self._backing, write, current, change)

        return await self._backing.retried(resource, namespace, name, once)

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        config: Obj,
        options: WriteOptions,
        *,
        subresource: str = "",
        admission: Admission = UNRESTRICTED,
    ) -> Written:
        """Server-side apply: creates the object or lays `config` over it. Raises StatusError: as `update`, and 409
        with a cause for each field that another manager owns."""
        write = Write(resource, options, admission, subresource)
        wanted = await aside.run(write.weight(), lambda: applying.read(write, namespace, name, config))

        async def once(current: Record | None) -> Written:
            if current is not None:
                return await applying.apply_over(self._backing, write, current, wanted)
            if subresource:
                raise errors.not_found(resource.group, resource.plural, name)
            return await applying.apply_new(self._backing, write, namespace, wanted)

        return await self._backing.retried(resource, namespace, name, once)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        options: DeleteOptions,
        admission: Admission = UNRESTRICTED,
    ) -> Written:
        """Deletes, or marks for deletion while finalizers remain. Raises StatusError 403, 404 or 409."""

        async def once(current: Record | None) -> Written:
            if current is None:
                raise errors.not_found(resource.group, resource.plural, name)
            return await deleting.delete(self._backing, resource, current, options, admission)

        return await self._backing.retried(resource, namespace, name, once)
