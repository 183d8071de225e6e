"""A store in memory alone, for tests and trials: nothing outlives the process."""

from starlink.store.base import Change, Key, Record
from starlink.store.history import DEFAULT_KEPT
from starlink.store.reads import Reads


class MemoryStore(Reads):
    """`base.Store` without a disk; every write is committed at once."""

    def __init__(self, kept: int = DEFAULT_KEPT) -> None:
        super().__init__(kept)

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        self._state.history.close()

    async def put(self, key: Key, body: bytes, *, expect: int) -> Record:
        return self._write(Change.PUT, key, body, expect)

    async def delete(self, key: Key, *, expect: int) -> Record:
        current = self._state.latest(key)
        return self._write(Change.DELETE, key, current.body if current else b"", expect)

    def _write(self, change: Change, key: Key, body: bytes, expect: int) -> Record:
        event = self._state.stage(change, key, body, expect)
        self._state.commit([event])
        return event.record
