"""The default store: one SQLite file, written by one thread.

The event loop checks and numbers writes; the writer thread commits whatever has arrived by then in
one transaction; replies and events leave only after the commit. Reads come from memory.
"""

import asyncio
import collections
import contextlib
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlink.store.base import Change, Event, Key, Record, StoreUnavailable, Watch
from starlink.store.history import DEFAULT_KEPT
from starlink.store.seal import Plain, Seal
from starlink.store.sqlite_file import Durability, SqliteFile
from starlink.store.state import State

MAX_GROUP = 512
_PLAIN = Plain()


@dataclass(frozen=True, slots=True)
class _Write:
    event: Event
    done: "asyncio.Future[Record]"
    generation: int


class SqliteStore:
    """`base.Store` over the database `path`; `kept` events can be resumed from.

    `seal` stands between memory, which holds plain bodies, and the disk.
    """

    def __init__(
        self,
        path: Path,
        kept: int = DEFAULT_KEPT,
        *,
        seal: Seal = _PLAIN,
        durability: Durability = Durability.FULL,
    ) -> None:
        self._file = SqliteFile(path, kept, seal, durability)
        self._state = State(kept)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed: StoreUnavailable | None = None
        self._generation = 0

    @property
    def revision(self) -> int:
        return self._state.revision

    async def open(self) -> None:
        """Reads everything into memory. Raises StoreRefused with what to do."""
        self._loop = asyncio.get_running_loop()
        contents = await asyncio.to_thread(self._file.open)
        self._state.load(contents.records, contents.revision)
        self._state.history.start_at(contents.floor)
        self._state.history.publish(contents.events)
        self._thread = threading.Thread(target=self._write_groups, name="store-writer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Commits what was asked for, ends the watches and closes the file."""
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            await asyncio.sleep(0)
            self._thread = None
        self._failed = StoreUnavailable("the store is closed")
        self._state.history.close()
        self._file.close()

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
        return await self._write(Change.PUT, key, body, expect)

    async def delete(self, key: Key, *, expect: int) -> Record:
        current = self._state.latest(key)
        return await self._write(Change.DELETE, key, current.body if current else b"", expect)

    async def _write(self, change: Change, key: Key, body: bytes, expect: int) -> Record:
        if self._failed is not None or self._loop is None:
            raise self._failed or StoreUnavailable("the store is not open")
        event = self._state.stage(change, key, body, expect)
        done: asyncio.Future[Record] = self._loop.create_future()
        self._queue.put(_Write(event, done, self._generation))
        # A caller that goes away changes nothing: the write is on its way.
        return await asyncio.shield(done)

    def watch(self, resource: str | None, namespace: str | None, since: int) -> Watch:
        return self._state.history.watch(resource, namespace, since)

    def _write_groups(self) -> None:
        """The writer thread: one transaction for whatever has arrived."""
        assert self._loop is not None
        while (first := self._queue.get()) is not None:
            group = [first, *self._more()]
            stop = group[-1] is None
            writes = [write for write in group if write is not None]
            error: Exception | None = None
            try:
                if all(write.generation == self._generation for write in writes):
                    self._file.commit([write.event for write in writes])
                else:
                    error = StoreUnavailable("an earlier write that this one was based on failed")
            except Exception as problem:  # whatever it is, its writers wait for an answer
                error = problem
            self._loop.call_soon_threadsafe(self._settle, writes, error)
            if error is not None:
                self._await_settled()
            if stop:
                return

    def _more(self) -> Sequence[_Write | None]:
        more: collections.deque[_Write | None] = collections.deque()
        with contextlib.suppress(queue.Empty):
            while len(more) < MAX_GROUP and (not more or more[-1] is not None):
                more.append(self._queue.get_nowait())
        return more

    def _await_settled(self) -> None:
        """After a failure the loop must have abandoned the staged writes before the next group."""
        settled = threading.Event()
        assert self._loop is not None
        self._loop.call_soon_threadsafe(settled.set)
        settled.wait()

    def _settle(self, writes: Sequence[_Write], error: Exception | None) -> None:
        """On the loop: answers the writers of a group."""
        if error is None:
            self._state.commit([write.event for write in writes])
        elif any(write.generation == self._generation for write in writes):
            # Whatever was staged since stands on writes that are lost, so it is lost too.
            self._generation += 1
            self._state.abandon()
        for write in writes:
            if write.done.done():
                continue
            if error is None:
                write.done.set_result(write.event.record)
            else:
                write.done.set_exception(
                    StoreUnavailable(f"the write could not be made durable: {self._file.why(error)}")
                )
