"""The default store: one SQLite file, written by one thread.

The event loop checks and numbers writes; the writer thread commits whatever has arrived by then in
one transaction; replies and events leave only after the commit. Reads come from memory.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from starlink.store.base import Change, Event, Key, Record, StoreUnavailable, anything
from starlink.store.history import DEFAULT_KEPT
from starlink.store.reads import Reads
from starlink.store.seal import Plain, Seal
from starlink.store.sqlite_file import Durability, SqliteFile

MAX_GROUP = 512
# Writes to begin with while the loop is still busy with others. To wait for 64 saves 2 to 6 % of the CPU (32 and 128
# connections, 14 alternating runs), but takes a quarter of the throughput of 32 writers: nothing is left to be done
# during the commit.
ENOUGH = 16
_PATIENCE = 2  # turns of the loop
_PLAIN = Plain()


class _Write(NamedTuple):
    event: Event
    done: "asyncio.Future[Record]"
    generation: int


class SqliteStore(Reads):
    """`base.Store` over the database `path`; `kept` events can be resumed from.

    `seal` stands between memory, which holds plain bodies, and the disk. `legible` says whether a body that was stored
    without a checksum, by an older StarLink, is the object of its key. `note` is a file elsewhere that remembers that
    there is a database.
    """

    def __init__(
        self,
        path: Path,
        kept: int = DEFAULT_KEPT,
        *,
        seal: Seal = _PLAIN,
        durability: Durability = Durability.FULL,
        legible: Callable[[Key, bytes], bool] = anything,
        note: Path | None = None,
    ) -> None:
        super().__init__(kept)
        self._file = SqliteFile(path, kept, seal, durability, legible, note)
        self._queue: queue.SimpleQueue[list[_Write] | None] = queue.SimpleQueue()
        self._staged: list[_Write] = []
        self._committing = False  # whether the writer thread has a group
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed: StoreUnavailable | None = None
        self._generation = 0

    @property
    def problem(self) -> str:
        return self._file.problem()

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
            while self._staged or self._committing:
                self._commit_staged()
                await asyncio.sleep(0.001)
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            await asyncio.sleep(0)
            self._thread = None
        self._failed = StoreUnavailable("the store is closed")
        self._state.history.close()
        self._file.close()

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
        self._staged.append(_Write(event, done, self._generation))
        if not self._committing and len(self._staged) == 1:
            self._commit_soon(self._loop)
        return await done  # a caller that goes away changes nothing: the write is on its way

    def _commit_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon(self._commit_when_quiet, loop, len(self._staged), _PATIENCE)

    def _commit_when_quiet(self, loop: asyncio.AbstractEventLoop, before: int, patience: int) -> None:
        """Begins with what has been staged when some turns of the loop have brought no more, or enough is there."""
        now = len(self._staged)
        if now >= ENOUGH or (now == before and not patience):
            self._commit_staged()
        else:
            left = patience - 1 if now == before else _PATIENCE
            loop.call_soon(self._commit_when_quiet, loop, now, left)

    def _commit_staged(self) -> None:
        """On the loop: hands over what has been staged; what is staged while it is committed goes together next."""
        if self._staged and not self._committing:
            group, self._staged = self._staged[:MAX_GROUP], self._staged[MAX_GROUP:]
            self._committing = True
            self._queue.put(group)

    def _write_groups(self) -> None:
        """The writer thread: one transaction for each group."""
        assert self._loop is not None
        while (group := self._queue.get()) is not None:
            error: Exception | None = None
            try:
                if all(write.generation == self._generation for write in group):
                    self._file.commit([write.event for write in group])
                else:
                    error = StoreUnavailable("an earlier write that this one was based on failed")
            except Exception as problem:  # whatever it is, its writers wait for an answer
                error = problem
            self._loop.call_soon_threadsafe(self._settle, group, error)
            if error is not None:
                self._await_settled()

    def _await_settled(self) -> None:
        """After a failure the loop must have abandoned the staged writes before the next group."""
        settled = threading.Event()
        assert self._loop is not None
        self._loop.call_soon_threadsafe(settled.set)
        settled.wait()

    def _settle(self, writes: Sequence[_Write], error: Exception | None) -> None:
        """On the loop: answers the writers of a group."""
        self._committing = False
        if self._staged and self._loop is not None:
            self._commit_soon(self._loop)
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
