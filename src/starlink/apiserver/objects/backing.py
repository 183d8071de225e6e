"""What is not pure in writing objects: the store, the clock and chance."""

import random
from collections.abc import Awaitable, Callable

from starlink.api import errors
from starlink.api.timestamp import format_time
from starlink.apiserver.objects import managed
from starlink.apiserver.objects.contract import Write, Written
from starlink.apiserver.objects.managed import Writer
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Conflict, Key, Record, Store, StoreUnavailable

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_PREFIX = 58
_RETRIES = 16
_FREE = ~(0xF << 76 | 0b11 << 62)
_VERSION = 4 << 76 | 0b10 << 62


class Backing:
    """One store, a clock of epoch seconds and a source of chance."""

    def __init__(self, store: Store, now: Callable[[], float], rng: random.Random) -> None:
        self.store = store
        self._now = now
        self._random = rng

    def timestamp(self) -> str:
        return format_time(self._now())

    def uid(self) -> str:
        """Of version 4 (RFC 9562, section 5.4). To make a `uuid.UUID` of it would take three times as long."""
        digits = f"{self._random.getrandbits(128) & _FREE | _VERSION:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def generated(self, prefix: str) -> str:
        """A name that begins with `prefix`, which is cut so that the name is a DNS label.

        https://github.com/kubernetes/apiserver/blob/master/pkg/storage/names/generate.go
        """
        return prefix[:_LONGEST_PREFIX] + "".join(self._random.choices(_SUFFIX, k=5))

    def writer(self, write: Write, operation: str = managed.UPDATE) -> Writer:
        """Whom managedFields name for this write."""
        return Writer(write.options.manager, operation, write.resource.api_version, write.subresource, self.timestamp())

    async def put(self, key: Key, body: bytes, expect: int) -> Record:
        """Raises Conflict, and StatusError 503."""
        try:
            return await self.store.put(key, body, expect=expect)
        except StoreUnavailable as error:
            raise errors.unavailable(str(error)) from error

    async def delete(self, current: Record) -> Record:
        """Raises Conflict, and StatusError 503."""
        try:
            return await self.store.delete(current.key, expect=current.revision)
        except StoreUnavailable as error:
            raise errors.unavailable(str(error)) from error

    async def retried(
        self, resource: Resource, namespace: str, name: str, once: Callable[[Record | None], Awaitable[Written]]
    ) -> Written:
        """What `once` makes of the newest record, tried again when another writer was faster. Raises StatusError 409
        when it always was."""
        key = Key(resource.storage, namespace, name)
        for _ in range(_RETRIES):
            try:
                return await once(self.store.latest(key))
            except Conflict:
                continue
        raise errors.conflict(resource.group, resource.plural, name, MODIFIED)
