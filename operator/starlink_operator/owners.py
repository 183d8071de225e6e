"""The objects of a kind by who controls them."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from starlink.api.change import Change
from starlink.api.meta import Object, ObjectKey
from starlink.client.cache import Cache

T = TypeVar("T", bound=Object)


class Owners(Generic[T]):
    """Follows a cache."""

    def __init__(self, cache: Cache[T]) -> None:
        self._by_uid: dict[str, dict[ObjectKey, T]] = {}
        for key, obj in cache.objects.items():
            self._changed(Change(key, None, obj))
        cache.subscribe(self._changed)

    def owned_by(self, uid: str) -> Sequence[T]:
        """By namespace and name."""
        return [obj for _, obj in sorted(self._by_uid.get(uid, {}).items())]

    def _changed(self, change: Change[T]) -> None:
        if change.old is not None and (uid := change.old.metadata.controller_uid):
            its = self._by_uid[uid]
            del its[change.key]
            if not its:
                del self._by_uid[uid]
        if change.new is not None and (uid := change.new.metadata.controller_uid):
            self._by_uid.setdefault(uid, {})[change.key] = change.new
