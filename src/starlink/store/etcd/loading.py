"""Reading everything from etcd: the objects as of one revision, and the events that led there."""

import asyncio
import logging
from collections.abc import Sequence

import grpc
import grpc.aio

from starlink.store.base import Change, Event, Key, Record
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.cluster import PAUSE, Cluster
from starlink.store.etcd.envelope import DamagedValue
from starlink.store.etcd.errors import Compacted, Lost
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.mirror import Contents
from starlink.store.etcd.restoring import refuse_unfinished, restored_at
from starlink.store.etcd.rpc import RANGE, STATUS, TXN, put, said
from starlink.store.etcd.stream import WatchStream
from starlink.store.etcd.witness import last_of

OLDEST_SOUND = (3, 5, 30)
BACKLOG_SECONDS = 30.0
_PAGE = 500
_OPENED = "opened"

log = logging.getLogger(__name__)


async def check_version(cluster: Cluster) -> None:
    """Warns of an etcd with known faults. Raises StoreUnavailable, AioRpcError."""
    status = await cluster.read(STATUS, pb.StatusRequest())
    version = tuple(int(part) for part in status.version.split("-")[0].split(".") if part.isdigit())
    if version < OLDEST_SOUND:
        log.warning("etcd %s has known faults; run 3.5.30 or newer", status.version)


async def load(cluster: Cluster, layout: Layout, kept: int) -> Contents:
    """Everything, and the events of the last `kept` revisions that etcd still has.

    Raises StoreUnavailable, AioRpcError, and StoreRefused for what can't be unsealed and for half a restore.
    """
    while True:
        revision = await _mark(cluster, layout)
        try:
            kvs = await objects_at(cluster, layout, revision)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.OUT_OF_RANGE:
                continue  # compacted while it was read: again, at a newer revision
            raise
        refuse_unfinished(layout, kvs)
        oldest = max(revision - kept, restored_at(layout, kvs), 0)
        events, floor = await _backlog(cluster, layout, oldest, revision)
        records = [record for record in map(layout.record, kvs) if record is not None]
        return Contents(records, events, floor, revision, tuple(layout.stale(kvs)), last_of(layout, kvs))


async def _mark(cluster: Cluster, layout: Layout) -> int:
    """Writes a note, by which the watch tells that it has come to the note's revision."""
    answer = await cluster.read(TXN, pb.TxnRequest(success=[put(layout.note(_OPENED), b"")]))
    return answer.header.revision


async def objects_at(cluster: Cluster, layout: Layout, revision: int) -> Sequence[pb.KeyValue]:
    """All that lies below the prefix as of a revision, notes too. Raises StoreUnavailable, AioRpcError (OUT_OF_RANGE
    where the revision is compacted)."""
    kvs: list[pb.KeyValue] = []
    start = layout.start
    while True:
        request = pb.RangeRequest(key=start, range_end=layout.end, limit=_PAGE, revision=revision)
        page = await cluster.read(RANGE, request)
        kvs += page.kvs
        if not page.more:
            return kvs
        start = page.kvs[-1].key + b"\0"


async def _backlog(cluster: Cluster, layout: Layout, floor: int, until: int) -> tuple[Sequence[Event], int]:
    """The events after `floor` up to `until`, and the floor, which is higher where etcd has compacted."""
    try:
        async with asyncio.timeout(BACKLOG_SECONDS):
            while floor < until:
                try:
                    return events_of(layout, await _parts(cluster, layout, floor, until), floor)
                except Compacted as reason:
                    floor = max(reason.revision, floor + 1)
    except TimeoutError:
        log.warning("watchers must list again: no history within %g s from %s", BACKLOG_SECONDS, cluster)
    return (), until


async def _parts(cluster: Cluster, layout: Layout, floor: int, until: int) -> Sequence[pb.Event]:
    while True:
        member = await cluster.ready()
        stream = WatchStream(member)
        try:
            await stream.start(layout, floor)
            parts: list[pb.Event] = []
            while not parts or parts[-1].kv.mod_revision < until:
                parts += (await stream.next()).events
            return [part for part in parts if floor < part.kv.mod_revision <= until]
        except (grpc.aio.AioRpcError, TimeoutError, Lost) as error:
            cluster.leave(member, said(error))
            await asyncio.sleep(PAUSE)
        finally:
            stream.cancel()


def events_of(layout: Layout, parts: Sequence[pb.Event], floor: int) -> tuple[Sequence[Event], int]:
    """The events that etcd tells, and the floor below which one could not be told whole. Raises StoreRefused."""
    events: list[Event] = []
    seen: dict[Key, Record | None] = {}
    for part in parts:
        try:
            told = layout.told(part)
            if told is None:
                continue
            record, key = told.record, told.record.key
            previous = seen[key] if key in seen else layout.record(part.prev_kv)
        except DamagedValue:  # it was put right later, or the objects would not have been read
            events, floor = [], part.kv.mod_revision
            seen = {}
            continue
        if told.before is None:
            # What was there before is compacted, and with it what watchers would be told.
            events, floor = [], record.revision
        elif told.change is Change.PUT:
            events.append(Event(Change.PUT, record, previous))
        elif previous is not None:
            events.append(Event(Change.DELETE, Record(key, record.revision, previous.body), previous))
        seen[key] = record if told.change is Change.PUT else None
    return events, floor
