"""A store in memory alone, for tests and trials: nothing outlives the process."""

from collections.abc import Sequence

from starlink.store.base import Change, Key, Record, Topic, Watch
from starlink.store.history import DEFAULT_KEPT
from starlink.store.state import State


class MemoryStore:
    """`base.Store` without a disk; every write is committed at once."""

    def __init__(self, kept: int = DEFAULT_KEPT) -> None:
        self._state = State(kept)

    @property
    def revision(self) -> int:
        return self._state.revision

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        self._state.history.close()

    def get(self, key: Key) -> Record | None:
        return self._state.get(key)

    def latest(self, key: Key) -> Record | None:
        return self._state.latest(key)

    def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        return self._state.list(resource, namespace)

    def list_at(self, resource: str, namespace: str | None, revision: int) -> Sequence[Record]:
        return self._state.list_at(resource, namespace, revision)

    def resources(self) -> Sequence[str]:
        return self._state.resources()

    async def put(self, key: Key, body: bytes, *, expect: int) -> Record:
        return self._write(Change.PUT, key, body, expect)

    async def delete(self, key: Key, *, expect: int) -> Record:
        current = self._state.latest(key)
        return self._write(Change.DELETE, key, current.body if current else b"", expect)

    def _write(self, change: Change, key: Key, body: bytes, expect: int) -> Record:
        event = self._state.stage(change, key, body, expect)
        self._state.commit([event])
        return event.record

    def watch(self, resource: str | None, namespace: str | None, since: int, topic: Topic | None = None) -> Watch:
        return self._state.history.watch(resource, namespace, since, topic)

    async def reaches(self, revision: int, seconds: float) -> bool:
        return revision <= self._state.revision
