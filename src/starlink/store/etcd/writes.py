"""Writing to etcd: a transaction, and what became of one that got no answer."""

import asyncio
import logging
from dataclasses import dataclass

import grpc.aio

from starlink.store.base import Change, Conflict, Event, Expired, Key, Record, StoreUnavailable
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.cluster import PAUSE, Cluster
from starlink.store.etcd.envelope import DamagedValue
from starlink.store.etcd.follower import Follower
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.mirror import Mirror
from starlink.store.etcd.rpc import NO_LEADER, RANGE, TXN, if_at, passes, put, said

log = logging.getLogger(__name__)

WRITE_SECONDS = 6.0
# A change that gets no answer is sent again, so it may be given up early; a creation may not be.
_CHANGE_SECONDS = 1.0
_CREATION_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Write:
    """A write; `since` is what memory had seen when it was asked for."""

    change: Change
    key: Key
    body: bytes
    expect: int
    since: int
    request: pb.TxnRequest


class Writes:
    """The writes of one server."""

    def __init__(self, cluster: Cluster, layout: Layout, mirror: Mirror, follower: Follower) -> None:
        self._cluster = cluster
        self._layout = layout
        self._mirror = mirror
        self._follower = follower
        self._under_way: set[asyncio.Task[Record]] = set()

    async def put(self, key: Key, body: bytes, expect: int) -> Record:
        """As `base.Store.put`. After StoreUnavailable the write may have been done, or may yet be."""
        operation = put(self._layout.encode(key), self._layout.pack(key, body))
        return await self._write(Change.PUT, key, body, expect, operation)

    async def delete(self, key: Key, expect: int) -> Record:
        """As `put`."""
        operation = pb.RequestOp(request_delete_range={"key": self._layout.encode(key), "prev_kv": True})
        return await self._write(Change.DELETE, key, b"", expect, operation)

    async def settled(self) -> None:
        """Waits for the writes that are under way; each has its own time limit."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _write(self, change: Change, key: Key, body: bytes, expect: int, operation: pb.RequestOp) -> Record:
        self._refuse_outdated(key, expect)
        request = if_at(self._layout.encode(key), expect, operation)
        write = _Write(change, key, body, expect, self._mirror.revision, request)
        task = asyncio.create_task(self._carry_out(write))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:  # a caller that goes away changes nothing: the write is on its way
            task.add_done_callback(_told_to_nobody)
            raise

    def _refuse_outdated(self, key: Key, expect: int) -> None:
        """A revision that memory knows to be past need not be asked about; what is absent must be."""
        known = self._mirror.latest(key)
        horizon = known.revision - 1 if known else self._mirror.revision
        if 0 < expect <= horizon:
            raise Conflict(key, expect, known)

    async def _carry_out(self, write: _Write) -> Record:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await self._settle(write)
        except TimeoutError:
            raise StoreUnavailable(
                f"the write was not confirmed within {WRITE_SECONDS:g} s by {self._cluster}; it may have been done"
            ) from None

    async def _settle(self, write: _Write) -> Record:
        await self._follower.trusted()
        answer = await self._send(write)
        doubtful = answer is None
        while answer is None:
            if write.expect == 0:
                # Sent again it could be done twice, when someone has deleted the first meanwhile.
                return await self._found(write)
            answer = await self._send(write)
        if answer.header.revision < write.since + answer.succeeded:
            raise StoreUnavailable(
                f"{self._cluster} answered at revision {answer.header.revision}, but {write.since} has been seen here; "
                "the write does not count"
            )
        if answer.succeeded:
            return await self._done(write, answer)
        current = self._told(write.key, answer.responses[0].response_range, answer.header.revision)
        if doubtful:
            return await self._judged(write, current)
        raise Conflict(write.key, write.expect, current)

    async def _send(self, write: _Write) -> pb.TxnResponse | None:
        """etcd's answer; None when the write may have been done or not. Raises StoreUnavailable."""
        seconds = _CHANGE_SECONDS if write.expect else _CREATION_SECONDS
        while True:
            member = await self._cluster.ready()
            try:
                return await member.ask(TXN, write.request, seconds)
            except grpc.aio.AioRpcError as error:
                if not passes(error):
                    raise StoreUnavailable(f"{member.endpoint} refused the write: {said(error)}") from None
                self._cluster.leave(member, said(error))
                refused = error.details() == NO_LEADER
            await asyncio.sleep(PAUSE)
            if not refused:
                return None

    async def _done(self, write: _Write, answer: pb.TxnResponse) -> Record:
        """The record of a write that etcd has done, when the watch has delivered it."""
        revision, body = answer.header.revision, write.body
        if write.change is Change.DELETE:
            stored = answer.responses[0].response_delete_range.prev_kvs[0].value
            body = self._layout.unpack(write.key, stored)
        record = Record(write.key, revision, body)
        self._mirror.learn(write.key, revision, record if write.change is Change.PUT else None)
        await self._follower.delivered(revision)
        return record

    async def _found(self, write: _Write) -> Record:
        """After a creation without an answer: done, when what was to be created is there."""
        try:
            answer = await self._cluster.read(RANGE, pb.RangeRequest(key=self._layout.encode(write.key)))
        except grpc.aio.AioRpcError as error:
            raise StoreUnavailable(f"{self._cluster} refused: {said(error)}") from None
        current = self._told(write.key, answer, answer.header.revision)
        if current is None or current.body != write.body or current.revision <= write.since:
            raise StoreUnavailable(f"the connection was lost, and the creation may yet be done: {self._cluster}")
        await self._follower.delivered(current.revision)
        return current

    async def _judged(self, write: _Write, current: Record | None) -> Record:
        """After a change without an answer, when its key has moved on: was it this that moved it?"""
        try:
            event = await self._end_of(write)
        except Expired:
            raise StoreUnavailable("the connection was lost, and the write may have been done") from None
        if event.change is write.change and (event.change is Change.DELETE or event.record.body == write.body):
            return event.record
        raise Conflict(write.key, write.expect, current)

    async def _end_of(self, write: _Write) -> Event:
        """The event that ended the revision that a write expected. Raises Expired."""
        watch = self._mirror.watch(write.key.resource, write.key.namespace, write.since)
        try:
            async for events in watch:
                for event in events:
                    had = event.previous.revision if event.previous else 0
                    if event.record.key == write.key and had == write.expect:
                        return event
        finally:
            watch.close()
        raise AssertionError("a watch ends by raising")

    def _told(self, key: Key, answer: pb.RangeResponse, at: int) -> Record | None:
        """What etcd says a key holds, which a retry must start from."""
        try:
            current = next(map(self._layout.record, answer.kvs), None)
        except DamagedValue as error:  # the others are written as ever
            raise StoreUnavailable(str(error)) from None
        self._mirror.learn(key, current.revision if current else at, current)
        return current


def _told_to_nobody(task: asyncio.Task[Record]) -> None:
    """What became of a write whose caller has gone away; only what no caller expects is worth a word."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, (Conflict, StoreUnavailable)):
        log.error("a write failed whose caller had gone away", exc_info=error)
