"""`base.Store` over etcd."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from starlink.store.base import Key, Record, StoreUnavailable, Topic, Watch, anything
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd import loading, sealing
from starlink.store.etcd.cluster import Cluster
from starlink.store.etcd.compaction import COMPACT_EVERY, Compaction
from starlink.store.etcd.endpoint import TlsFiles, check_schemes, credentials, parse_all
from starlink.store.etcd.follower import Follower
from starlink.store.etcd.history_mark import HistoryMark
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.mirror import Contents, Mirror
from starlink.store.etcd.rpc import RANGE, said
from starlink.store.etcd.writes import Writes
from starlink.store.history import DEFAULT_KEPT
from starlink.store.seal import Plain, Seal

_PLAIN = Plain()


@dataclass(frozen=True, slots=True)
class _Running:
    """What an open store works with."""

    cluster: Cluster
    follower: Follower
    writes: Writes
    compaction: Compaction
    tasks: Sequence[asyncio.Task[None]]


class EtcdStore:
    """`base.Store` over the etcd cluster at `endpoints` ("host:port" or "http(s)://host:port").

    Objects lie under `prefix`, which ends with a slash. `ca` is the file of the CA that etcd's
    certificates are from; `cert` and `key` are the files this client shows. `seal` stands between memory,
    which holds plain bodies, and etcd. `kept` events can be resumed from. etcd's history is compacted
    every `compact_every` seconds, to what was written since the last time and to no fewer than `kept`
    revisions, by one of the servers that share the prefix: the cluster should hold nothing but StarLink. `mark` is
    the file that remembers how far etcd has been followed; `legible` says whether a body that was stored without a
    checksum, by an older StarLink, is the object of its key.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        prefix: str = "/starlink/",
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        seal: Seal = _PLAIN,
        kept: int = DEFAULT_KEPT,
        compact_every: float = COMPACT_EVERY,
        mark: Path | None = None,
        legible: Callable[[Key, bytes], bool] = anything,
    ) -> None:
        """Raises ValueError for an endpoint that is none, for some with TLS and some without, for a prefix without
        its slash, and for half a client certificate."""
        self._endpoints = parse_all(endpoints)
        self._files = TlsFiles(ca, cert, key)
        check_schemes(self._endpoints, self._files)
        self._layout = Layout(prefix, seal, legible)
        self._history = HistoryMark(mark)
        self._kept = kept
        self._compact_every = compact_every
        self._mirror = Mirror(kept)
        self._running: _Running | None = None

    @property
    def revision(self) -> int:
        return self._mirror.revision

    @property
    def problem(self) -> str:
        return self._running.follower.problem if self._running is not None else ""

    async def open(self) -> None:
        """Reads everything into memory and follows etcd from there.

        Raises StoreUnavailable when etcd doesn't answer or refuses, StoreRefused for what can't be unsealed, for a
        value that is not as it was written (served without it, its object would count as deleted), for half a restore,
        and for an etcd that has lost what was seen of it; OSError for an unreadable certificate.
        """
        cluster = Cluster(self._endpoints, credentials(self._endpoints, self._files))
        try:
            contents = await self._read(cluster)
        except BaseException:
            await cluster.close()
            raise
        self._mirror.start(contents)
        self._running = self._start(cluster, contents.stale)

    async def _read(self, cluster: Cluster) -> Contents:
        try:
            await loading.check_version(cluster)
            await self._history.check(cluster, self._layout)
            await sealing.check_key(cluster, self._layout)
            contents = await loading.load(cluster, self._layout, self._kept)
            await self._history.begin(cluster, self._layout, contents.revision, contents.witness)
            return contents
        except grpc.aio.AioRpcError as error:
            raise StoreUnavailable(f"{cluster} refused: {said(error)}") from None

    def _start(self, cluster: Cluster, stale: Sequence[Key]) -> _Running:
        async def reload() -> None:
            self._mirror.start(await self._read(cluster))

        follower = Follower(cluster, self._layout, self._mirror, reload, self._history)
        writes = Writes(cluster, self._layout, self._mirror, follower)
        compaction = Compaction(cluster, self._layout, follower, self._mirror, self._kept)
        tasks = (
            asyncio.create_task(follower.run(), name="etcd-watch"),
            asyncio.create_task(compaction.run(self._compact_every), name="etcd-compaction"),
            asyncio.create_task(sealing.reseal(self._mirror, stale, writes.put), name="etcd-sealing"),
        )
        return _Running(cluster, follower, writes, compaction, tasks)

    async def close(self) -> None:
        """Waits for the writes that are under way, ends the watches and the connections."""
        running, self._running = self._running, None
        if running is not None:
            await running.writes.settled()
            for task in running.tasks:
                task.cancel()
            await asyncio.gather(*running.tasks, return_exceptions=True)
            await running.cluster.close()
        self._history.close()
        self._mirror.close()

    def get(self, key: Key) -> Record | None:
        return self._mirror.state.get(key)

    def latest(self, key: Key) -> Record | None:
        return self._mirror.latest(key)

    def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        return self._mirror.state.list(resource, namespace)

    def list_at(self, resource: str, namespace: str | None, revision: int) -> Sequence[Record]:
        return self._mirror.state.list_at(resource, namespace, revision)

    def resources(self) -> Sequence[str]:
        return self._mirror.state.resources()

    def watch(self, resource: str | None, namespace: str | None, since: int, topic: Topic | None = None) -> Watch:
        return self._mirror.watch(resource, namespace, since, topic)

    async def reaches(self, revision: int, seconds: float) -> bool:
        """Whether this server has seen `revision`, which another one may have told, within `seconds`."""
        if revision > self.revision:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._reach(self._open(), revision)
        return revision <= self.revision

    async def _reach(self, running: _Running, revision: int) -> None:
        """Waits for a revision, which a client may have made up: that etcd has it is asked first, since no watch may
        be taken for silent for what is not to come."""
        with contextlib.suppress(StoreUnavailable, grpc.aio.AioRpcError):
            answer = await running.cluster.read(RANGE, pb.RangeRequest(key=self._layout.start, keys_only=True))
            if answer.header.revision >= revision:
                await running.follower.delivered(revision)
        await self._mirror.reached(revision)

    async def put(self, key: Key, body: bytes, *, expect: int) -> Record:
        """As `base.Store.put`. After StoreUnavailable the write may have been done, or may yet be."""
        return await self._open().writes.put(key, body, expect)

    async def delete(self, key: Key, *, expect: int) -> Record:
        """As `put`. Raises ValueError when `expect` is 0: what is absent can't be deleted."""
        if expect == 0:
            raise ValueError("an absent object can't be deleted")
        return await self._open().writes.delete(key, expect)

    def _open(self) -> _Running:
        if self._running is None:
            raise StoreUnavailable("the store is not open")
        return self._running
