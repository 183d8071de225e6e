"""A store in an etcd cluster, which several API servers may share.

Memory mirrors etcd: reads come from it, and only the watch stream changes it, in etcd's order, so
that all servers serve the same objects and events. A write is a transaction on the revision its key
is expected at; it returns when the own watch has delivered it. Revisions are etcd's.
"""

import asyncio
import contextlib
import logging
import urllib.parse
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from starlink.store import etcd_pb2 as pb
from starlink.store.base import Change, Conflict, Event, Expired, Key, Record, StoreUnavailable, Watch
from starlink.store.history import DEFAULT_KEPT, Subscription
from starlink.store.state import State

COMPACT_EVERY = 300.0
OLDEST_SOUND = (3, 5, 30)

_PAGE = 500
_PAUSE = 0.1
_CONNECT_SECONDS = 1.0
_READ_SECONDS = 10.0
_WRITE_SECONDS = 6.0
# A change that gets no answer is sent again, so it may be given up early; a creation may not be.
_CHANGE_SECONDS = 1.0
_CREATION_SECONDS = 2.5
_SILENCE = 1.0

# Without ping_timeout_ms a peer that vanished is noticed after 63 s. etcd closes connections that
# are pinged more often than every 5 s, or without a call.
_OPTIONS = (
    ("grpc.keepalive_time_ms", 6000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.http2.ping_timeout_ms", 2000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)
# A member that has no leader refuses at once instead of keeping quiet.
_HAS_LEADER = (("hasleader", "true"),)
_NO_LEADER = "etcdserver: no leader"
_PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
_ESCAPES = str.maketrans({"%": "%25", "/": "%2F"})

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class _Lost(Exception):
    """A watch ended; another resumes it."""


class _Stale(Exception):
    """Memory can't be brought up to date by a watch: everything must be read again."""


@dataclass(frozen=True, slots=True)
class _Method(Generic[_T]):
    path: str
    parse: Callable[[bytes], _T]


_RANGE = _Method("/etcdserverpb.KV/Range", pb.RangeResponse.FromString)
_TXN = _Method("/etcdserverpb.KV/Txn", pb.TxnResponse.FromString)
_COMPACT = _Method("/etcdserverpb.KV/Compact", pb.CompactionResponse.FromString)
_STATUS = _Method("/etcdserverpb.Maintenance/Status", pb.StatusResponse.FromString)
_WATCH = "/etcdserverpb.Watch/Watch"


class _Member:
    """One endpoint, and the connection to it."""

    def __init__(self, endpoint: str, credentials: grpc.ChannelCredentials | None) -> None:
        address = endpoint.rpartition("//")[2].rstrip("/")
        self.endpoint = endpoint
        self._calls: dict[str, Any] = {}
        self._channel = (
            grpc.aio.insecure_channel(address, options=_OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
        )

    async def connects(self) -> bool:
        """Whether it is connected; waits for a connection that is being made, but not for a second try."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                while (state := self._channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        return False
                    await self._channel.wait_for_state_change(state)
                return True
        return False

    async def ask(self, method: _Method[_T], request: Message, seconds: float) -> _T:
        """One call. Raises AioRpcError."""
        call = self._calls.get(method.path)
        if call is None:
            call = self._calls[method.path] = self._channel.unary_unary(
                method.path, request_serializer=_serialize, response_deserializer=method.parse
            )
        answer: _T = await call(request, timeout=seconds, metadata=_HAS_LEADER)
        return answer

    def watch(self) -> Any:
        """A stream of WatchRequest to WatchResponse."""
        call = self._channel.stream_stream(
            _WATCH, request_serializer=_serialize, response_deserializer=pb.WatchResponse.FromString
        )
        return call(metadata=_HAS_LEADER)

    async def close(self) -> None:
        await self._channel.close(grace=None)


class _Cluster:
    """The members, one of which is used until it fails."""

    def __init__(self, endpoints: Sequence[str], credentials: grpc.ChannelCredentials | None) -> None:
        self._members = [_Member(endpoint, credentials) for endpoint in endpoints]
        self._current = 0
        self.problem = ""

    def __str__(self) -> str:
        endpoints = ", ".join(member.endpoint for member in self._members)
        return f"etcd at {endpoints}" + (f" (last: {self.problem})" if self.problem else "")

    async def ready(self) -> _Member:
        """A connected member; waits for one without end."""
        while True:
            for _ in self._members:
                member = self._members[self._current]
                if await member.connects():
                    return member
                self.leave(member, "it can't be reached")
            await asyncio.sleep(_PAUSE)

    def leave(self, member: _Member, problem: str) -> None:
        """Turns to the next member, unless others have already left this one."""
        self.problem = f"{member.endpoint}: {problem}"
        if self._members[self._current] is member:
            self._current = (self._current + 1) % len(self._members)

    async def read(self, method: _Method[_T], request: Message) -> _T:
        """Asks what may be asked twice. Raises StoreUnavailable, AioRpcError when it was refused."""
        try:
            async with asyncio.timeout(_READ_SECONDS):
                while True:
                    member = await self.ready()
                    try:
                        return await member.ask(method, request, _READ_SECONDS / 3)
                    except grpc.aio.AioRpcError as error:
                        if error.code() not in _PASSING:
                            raise
                        self.leave(member, _said(error))
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise StoreUnavailable(f"no answer within {_READ_SECONDS:g} s from {self}") from None

    async def close(self) -> None:
        for member in self._members:
            await member.close()


@dataclass(frozen=True, slots=True)
class _Known:
    """What a key held at revision `at` (None: nothing), told by an answer before the watch tells it."""

    at: int
    record: Record | None


@dataclass(frozen=True, slots=True)
class _Write:
    """A write; `since` is what memory had seen when it was asked for."""

    change: Change
    key: Key
    body: bytes
    expect: int
    since: int
    request: pb.TxnRequest


class _Ahead:
    """A Watch from a revision that this server has yet to reach, as another one told it."""

    def __init__(self, inner: Subscription, since: int) -> None:
        self._inner = inner
        self._since = since

    @property
    def behind(self) -> int:
        return self._inner.behind

    def close(self) -> None:
        self._inner.close()

    async def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        try:
            async for events in self._inner:
                fresh = [event for event in events if event.record.revision > self._since]
                if fresh:
                    yield fresh
        finally:
            self.close()


class EtcdStore:
    """`base.Store` over the etcd cluster at `endpoints` ("host:port" or "http(s)://host:port").

    Objects lie under `prefix`, which ends with a slash. `ca` is the file of the CA that etcd's
    certificates are from; `cert` and `key` are the files this client shows. `kept` events can be
    resumed from, counted from `open`. etcd's history is compacted `compact_every` seconds, to what
    was written since the last time and to no fewer than `kept` revisions, by one of the servers that
    share the prefix: the cluster should hold nothing but StarLink.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        prefix: str = "/starlink/",
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        kept: int = DEFAULT_KEPT,
        compact_every: float = COMPACT_EVERY,
    ) -> None:
        """Raises ValueError for no endpoint, a prefix without its slash, or half a client certificate."""
        if not endpoints or not prefix.endswith("/") or (cert is None) != (key is None):
            raise ValueError("endpoints, a prefix that ends with a slash, and cert with key are needed")
        self._endpoints = tuple(endpoints)
        self._files = (ca, cert, key)
        self._prefix = prefix.encode()
        self._end = prefix[:-1].encode() + b"0"  # the character after the slash
        self._mark = prefix[:-1].encode() + b"-compacted"  # outside of what is watched
        self._mark_revision = 0
        self._kept = kept
        self._compact_every = compact_every
        self._compacted = 0
        self._noted = 0
        self._state = State(kept)
        self._ahead: dict[Key, _Known] = {}
        self._arrivals: dict[int, asyncio.Future[None]] = {}
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._writes: set[asyncio.Task[Record]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._cluster: _Cluster | None = None
        self._watching: Any = None
        self._heard = 0.0

    @property
    def revision(self) -> int:
        return self._state.revision

    async def open(self) -> None:
        """Reads everything into memory and follows etcd from there.

        Raises StoreUnavailable when etcd doesn't answer or refuses, OSError for an unreadable certificate.
        """
        self._cluster = _Cluster(self._endpoints, _credentials(self._endpoints, *self._files))
        try:
            await self._check_version(self._cluster)
            await self._load(self._cluster)
        except BaseException:
            await self.close()
            raise
        self._tasks = [
            asyncio.create_task(self._follow(self._cluster), name="etcd-watch"),
            asyncio.create_task(self._tend(self._cluster), name="etcd-compaction"),
        ]

    async def _check_version(self, cluster: _Cluster) -> None:
        try:
            status = await cluster.read(_STATUS, pb.StatusRequest())
        except grpc.aio.AioRpcError as error:
            raise StoreUnavailable(f"{cluster} refused: {_said(error)}") from None
        version = tuple(int(part) for part in status.version.split("-")[0].split(".") if part.isdigit())
        if version < OLDEST_SOUND:
            _log.warning("etcd %s has known faults; run 3.5.30 or newer", status.version)

    async def close(self) -> None:
        """Waits for the writes that are under way, ends the watches and the connections."""
        cluster, self._cluster = self._cluster, None
        if self._writes:
            await asyncio.wait(self._writes)  # each has its own time limit
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._state.history.close()
        if cluster is not None:
            await cluster.close()

    # Reading

    def get(self, key: Key) -> Record | None:
        return self._state.get(key)

    def latest(self, key: Key) -> Record | None:
        known = self._ahead.get(key)
        return self._state.get(key) if known is None else known.record

    def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        return self._state.list(resource, namespace)

    def resources(self) -> Sequence[str]:
        return self._state.resources()

    def watch(self, resource: str | None, namespace: str | None, since: int) -> Watch:
        subscription = self._state.history.watch(resource, namespace, since)
        self._subscriptions.add(subscription)
        return subscription if since <= self.revision else _Ahead(subscription, since)

    # Writing

    async def put(self, key: Key, body: bytes, *, expect: int) -> Record:
        """As `base.Store.put`. After StoreUnavailable the write may have been done, or may yet be."""
        raw = self._encode(key)
        return await self._write(Change.PUT, key, body, expect, pb.RequestOp(request_put={"key": raw, "value": body}))

    async def delete(self, key: Key, *, expect: int) -> Record:
        """As `put`. Raises ValueError when `expect` is 0: what is absent can't be deleted."""
        if expect == 0:
            raise ValueError("an absent object can't be deleted")
        raw = self._encode(key)
        operation = pb.RequestOp(request_delete_range={"key": raw, "prev_kv": True})
        return await self._write(Change.DELETE, key, b"", expect, operation)

    async def _write(self, change: Change, key: Key, body: bytes, expect: int, operation: pb.RequestOp) -> Record:
        if self._cluster is None:
            raise StoreUnavailable("the store is not open")
        self._refuse_outdated(key, expect)
        request = _if_at(self._encode(key), expect, operation)
        write = _Write(change, key, body, expect, self.revision, request)
        task = asyncio.create_task(self._carry_out(self._cluster, write))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        # A caller that goes away changes nothing: the write is on its way.
        return await asyncio.shield(task)

    def _refuse_outdated(self, key: Key, expect: int) -> None:
        """A revision that memory knows to be past need not be asked about; what is absent must be."""
        known = self.latest(key)
        horizon = known.revision - 1 if known else self.revision
        if 0 < expect <= horizon:
            raise Conflict(key, expect, known)

    async def _carry_out(self, cluster: _Cluster, write: _Write) -> Record:
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                return await self._settle(cluster, write)
        except TimeoutError:
            raise StoreUnavailable(
                f"the write was not confirmed within {_WRITE_SECONDS:g} s by {cluster}; it may have been done"
            ) from None

    async def _settle(self, cluster: _Cluster, write: _Write) -> Record:
        answer = await self._send(cluster, write)
        doubtful = answer is None
        while answer is None:
            if write.expect == 0:
                # Sent again it could be done twice, when someone has deleted the first meanwhile.
                return await self._found(cluster, write)
            answer = await self._send(cluster, write)
        if answer.succeeded:
            return await self._done(write, answer)
        current = self._told(write.key, answer.responses[0].response_range, answer.header.revision)
        if doubtful:
            return await self._judged(write, current)
        raise Conflict(write.key, write.expect, current)

    async def _send(self, cluster: _Cluster, write: _Write) -> pb.TxnResponse | None:
        """etcd's answer; None when the write may have been done or not. Raises StoreUnavailable."""
        seconds = _CHANGE_SECONDS if write.expect else _CREATION_SECONDS
        while True:
            member = await cluster.ready()
            try:
                return await member.ask(_TXN, write.request, seconds)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _PASSING:
                    raise StoreUnavailable(f"{member.endpoint} refused the write: {_said(error)}") from None
                cluster.leave(member, _said(error))
                refused = error.details() == _NO_LEADER
            await asyncio.sleep(_PAUSE)
            if not refused:
                return None

    async def _done(self, write: _Write, answer: pb.TxnResponse) -> Record:
        """The record of a write that etcd has done, when the watch has delivered it."""
        revision, body = answer.header.revision, write.body
        if write.change is Change.DELETE:
            body = answer.responses[0].response_delete_range.prev_kvs[0].value
        record = Record(write.key, revision, body)
        self._learn(write.key, revision, record if write.change is Change.PUT else None)
        await self._delivered(revision)
        return record

    async def _found(self, cluster: _Cluster, write: _Write) -> Record:
        """After a creation without an answer: done, when what was to be created is there."""
        try:
            answer = await cluster.read(_RANGE, pb.RangeRequest(key=self._encode(write.key)))
        except grpc.aio.AioRpcError as error:
            raise StoreUnavailable(f"{cluster} refused: {_said(error)}") from None
        current = self._told(write.key, answer, answer.header.revision)
        if current is None or current.body != write.body or current.revision <= write.since:
            raise StoreUnavailable(f"the connection was lost, and the creation may yet be done: {cluster}")
        await self._delivered(current.revision)
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
        watch = self.watch(write.key.resource, write.key.namespace, write.since)
        try:
            async for events in watch:
                for event in events:
                    if event.record.key == write.key and _revision(event.previous) == write.expect:
                        return event
        finally:
            watch.close()
        raise AssertionError("a watch ends by raising")

    async def _delivered(self, revision: int) -> None:
        """Waits until memory has reached `revision`; moves a watch that has gone silent."""
        loop = asyncio.get_running_loop()
        try:
            while self.revision < revision:
                arrived = self._arrivals.setdefault(revision, loop.create_future())
                await asyncio.wait((arrived,), timeout=_SILENCE)
                if not arrived.done() and self._watching is not None and loop.time() - self._heard > _SILENCE:
                    self._watching.cancel()
        finally:
            self._arrivals.pop(revision, None)

    def _told(self, key: Key, answer: pb.RangeResponse, at: int) -> Record | None:
        """What etcd says a key holds, which a retry must start from."""
        current = next((Record(key, kv.mod_revision, kv.value) for kv in answer.kvs), None)
        self._learn(key, _revision(current) or at, current)
        return current

    def _learn(self, key: Key, at: int, record: Record | None) -> None:
        known = self._ahead.get(key)
        if at > self.revision and (known is None or at > known.at):
            self._ahead[key] = _Known(at, record)

    # Following etcd

    async def _load(self, cluster: _Cluster) -> None:
        """Starts again from what etcd holds; watchers must list again. Raises StoreUnavailable."""
        while True:
            try:
                records, revision = await self._read_all(cluster)
                break
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.OUT_OF_RANGE:
                    raise StoreUnavailable(f"{cluster} refused: {_said(error)}") from None
                # Compacted while it was read: again, at a newer revision.
        self._state = State(self._kept)
        self._state.load(records, revision)
        self._state.history.start_at(revision)
        self._ahead.clear()
        for subscription in tuple(self._subscriptions):
            subscription.end(Expired("the store had to be read again; list again"))
        self._subscriptions.clear()

    async def _read_all(self, cluster: _Cluster) -> tuple[Sequence[Record], int]:
        records: list[Record] = []
        start, revision = self._prefix, 0
        while True:
            request = pb.RangeRequest(key=start, range_end=self._end, limit=_PAGE, revision=revision)
            page = await cluster.read(_RANGE, request)
            records += self._records(page.kvs)
            revision = revision or page.header.revision
            if not page.more:
                return records, revision
            start = page.kvs[-1].key + b"\0"

    def _records(self, kvs: Iterable[pb.KeyValue]) -> Iterable[Record]:
        for kv in kvs:
            key = self._decode(kv.key)
            if key is not None:
                yield Record(key, kv.mod_revision, kv.value)

    async def _follow(self, cluster: _Cluster) -> None:
        """Watches, and resumes after whatever ends a watch, until cancelled."""
        stale = False
        while True:
            try:
                if stale:
                    await self._load(cluster)
                    stale = False
                await self._watch(cluster)
            except _Stale as reason:
                _log.warning("everything is read from etcd again: %s", reason)
                stale = True
            except (_Lost, StoreUnavailable) as reason:
                _log.warning("the watch of etcd is resumed: %s", reason)
            except Exception:
                _log.exception("the watch of etcd failed; everything is read again")
                stale = True
            await asyncio.sleep(_PAUSE)

    async def _watch(self, cluster: _Cluster) -> None:
        """One watch from where memory ends. Raises _Lost or _Stale."""
        member = await cluster.ready()
        call = member.watch()
        self._watching = call
        self._heard = asyncio.get_running_loop().time()  # it is not silent yet
        try:
            await self._start(cluster, call)
            await self._receive(call)
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            cluster.leave(member, _said(error))
            raise _Lost(cluster.problem) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            cluster.leave(member, "it acknowledged a write but its watch is silent")
            raise _Lost(cluster.problem) from None
        except _Lost as reason:
            cluster.leave(member, str(reason))
            raise
        finally:
            self._watching = None
            call.cancel()

    async def _start(self, cluster: _Cluster, call: Any) -> None:
        create = pb.WatchCreateRequest(
            key=self._prefix,
            range_end=self._end,
            start_revision=self.revision + 1,
            progress_notify=True,
            prev_kv=True,
            fragment=True,
        )
        async with asyncio.timeout(_READ_SECONDS / 3):
            await call.write(pb.WatchRequest(create_request=create))
            created = await self._hear(call)
        if not created.created:
            raise _Lost("it answered a new watch with something else")
        if created.header.revision < self.revision:
            await self._refuse_lost_history(cluster)

    async def _refuse_lost_history(self, cluster: _Cluster) -> None:
        """A member that lags catches up; a cluster restored from a backup never does. Raises _Stale."""
        answer = await cluster.read(_RANGE, pb.RangeRequest(key=self._mark))
        if answer.header.revision < self.revision:
            raise _Stale(f"etcd went back from revision {self.revision} to {answer.header.revision}")

    async def _receive(self, call: Any) -> None:
        parts: list[pb.Event] = []
        while True:
            answer = await self._hear(call)
            parts += answer.events
            if answer.fragment:
                continue  # half a revision must not be resumed from
            if parts:
                self._take(parts)
                parts = []
            elif not answer.created and answer.header.revision > self.revision:
                self._state.load((), answer.header.revision)

    async def _hear(self, call: Any) -> pb.WatchResponse:
        """The next answer on a watch. Raises _Lost, or _Stale when what it asks for was compacted."""
        answer = await call.read()
        self._heard = asyncio.get_running_loop().time()
        if answer is grpc.aio.EOF:
            raise _Lost("it ended the watch")
        assert isinstance(answer, pb.WatchResponse)
        if answer.canceled and answer.compact_revision:
            raise _Stale(f"revision {self.revision + 1} is compacted, up to {answer.compact_revision}")
        if answer.canceled or answer.watch_id != 0:
            raise _Lost(f"it refused the watch: {answer.cancel_reason or answer.watch_id}")
        return answer

    def _take(self, parts: Sequence[pb.Event]) -> None:
        """Commits what a watch delivered: the only way that memory changes. Raises _Stale."""
        seen: dict[Key, Record | None] = {}
        events: list[Event] = []
        for part in parts:
            key = self._decode(part.kv.key)
            # A member that lags may begin below the revision asked for.
            if key is None or part.kv.mod_revision <= self.revision:
                continue
            previous = seen[key] if key in seen else self._state.get(key)
            _refuse_gap(part, previous)
            event = _event(part, key, previous)
            seen[key] = event.record if event.change is Change.PUT else None
            events.append(event)
        self._state.commit(events)
        for event in events:
            self._catch_up(event)
            arrived = self._arrivals.get(event.record.revision)
            if arrived is not None and not arrived.done():
                arrived.set_result(None)

    def _catch_up(self, event: Event) -> None:
        known = self._ahead.get(event.record.key)
        if known is None:
            return
        both_gone = known.record is None and event.change is Change.DELETE
        if both_gone or event.record.revision >= known.at:
            del self._ahead[event.record.key]

    # Compaction

    async def _tend(self, cluster: _Cluster) -> None:
        """Compacts from time to time until cancelled."""
        while True:
            await asyncio.sleep(self._compact_every)
            try:
                await self._compact(cluster)
            except grpc.aio.AioRpcError as error:
                _log.warning("etcd was not compacted: %s", _said(error))

    async def _compact(self, cluster: _Cluster) -> None:
        """Compacts, unless another server has done so since this one last looked. Raises AioRpcError."""
        target, self._noted = min(self._noted, self.revision - self._kept), self.revision
        if target <= self._compacted:
            return
        claim = pb.RequestOp(request_put={"key": self._mark, "value": str(target).encode()})
        member = await cluster.ready()
        answer = await member.ask(_TXN, _if_at(self._mark, self._mark_revision, claim), _READ_SECONDS)
        if not answer.succeeded:
            self._mark_revision = max((kv.mod_revision for kv in answer.responses[0].response_range.kvs), default=0)
            return
        self._mark_revision = answer.header.revision
        await member.ask(_COMPACT, pb.CompactionRequest(revision=target), _READ_SECONDS)
        self._compacted = target

    # Keys

    def _encode(self, key: Key) -> bytes:
        """The resource keeps its slashes; the last two slashes of a key set off namespace and name."""
        place = f"{key.resource}/{key.namespace.translate(_ESCAPES)}/{key.name.translate(_ESCAPES)}"
        return self._prefix + place.encode()

    def _decode(self, raw: bytes) -> Key | None:
        """None for a key that no StarLink wrote."""
        try:
            resource, namespace, name = raw.removeprefix(self._prefix).decode().rsplit("/", 2)
        except ValueError:
            return None
        return Key(resource, urllib.parse.unquote(namespace), urllib.parse.unquote(name))


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _said(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return "it did not answer in time" if isinstance(error, TimeoutError) else str(error)


def _revision(record: Record | None) -> int:
    return record.revision if record else 0


def _if_at(raw: bytes, revision: int, operation: pb.RequestOp) -> pb.TxnRequest:
    """`operation` if the key is at `revision`, else what it holds."""
    compare = pb.Compare(
        result=pb.Compare.CompareResult.EQUAL,
        target=pb.Compare.CompareTarget.MOD,
        key=raw,
        mod_revision=revision,
    )
    return pb.TxnRequest(compare=[compare], success=[operation], failure=[pb.RequestOp(request_range={"key": raw})])


def _event(part: pb.Event, key: Key, previous: Record | None) -> Event:
    if part.type == pb.Event.EventType.PUT:
        return Event(Change.PUT, Record(key, part.kv.mod_revision, part.kv.value), previous)
    body = previous.body if previous else b""
    return Event(Change.DELETE, Record(key, part.kv.mod_revision, body), previous)


def _refuse_gap(part: pb.Event, previous: Record | None) -> None:
    """What etcd says was there before must be what memory has, else an event is missing. Raises _Stale."""
    before = part.prev_kv.mod_revision  # 0 also when it is compacted
    if (before or part.kv.version == 1) and before != _revision(previous):
        raise _Stale(f"{part.kv.key!r} was at revision {before}, but memory has {_revision(previous)}")


def _credentials(
    endpoints: Iterable[str], ca: Path | None, cert: Path | None, key: Path | None
) -> grpc.ChannelCredentials | None:
    """None for connections in the clear: no file was given and no endpoint is https."""
    if not (ca or cert or any(endpoint.startswith("https:") for endpoint in endpoints)):
        return None
    roots, chain, private = (path.read_bytes() if path else None for path in (ca, cert, key))
    return grpc.ssl_channel_credentials(roots, private, chain)
