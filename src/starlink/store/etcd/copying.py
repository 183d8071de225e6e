"""What a prefix holds, read and filled without a store: reading leaves no trace in etcd."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import grpc
import grpc.aio

from starlink.store.backup import StoreCopy
from starlink.store.base import Key, StoreRefused, StoreUnavailable
from starlink.store.etcd import envelope
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.cluster import Cluster
from starlink.store.etcd.endpoint import TlsFiles, check_schemes, credentials, parse_all
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.loading import objects_at
from starlink.store.etcd.restoring import Restoring, refuse_unfinished
from starlink.store.etcd.rpc import RANGE, said
from starlink.store.seal import AsStored, Seal

_PAGE = 5000


class Copying:
    """The etcd cluster and one prefix in it. All methods raise StoreUnavailable when etcd doesn't answer, and
    AioRpcError when it refuses."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._cluster = cluster
        self._prefix = prefix
        self._layout = Layout(prefix, AsStored())

    async def revision(self) -> int:
        """The cluster's revision: everything that was told from it is no higher."""
        return (await self._cluster.read(RANGE, pb.RangeRequest(key=self._layout.start))).header.revision

    async def snapshot(self) -> StoreCopy:
        """The objects as of one revision, as they are stored. Raises StoreRefused for none, and half a restore."""
        while True:
            revision = await self.revision()
            try:
                kvs = await objects_at(self._cluster, self._layout, revision)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.OUT_OF_RANGE:
                    continue  # compacted while it was read: again, at a newer revision
                raise
            refuse_unfinished(self._layout, kvs)
            records = [record for record in map(self._layout.record, kvs) if record is not None]
            if not records:
                raise StoreRefused(f"{self._cluster} holds no objects below {self._layout}")
            return StoreCopy(sorted(records, key=lambda record: record.key), revision)

    async def bodies(self, key: Key) -> Sequence[bytes]:
        """What an object's name holds, below every prefix of the cluster."""
        ending = self._layout.encode(key).removeprefix(self._layout.start)
        names = [name for name in await self._names() if name.endswith(b"/" + ending)]
        found = [await self._cluster.read(RANGE, pb.RangeRequest(key=name)) for name in names]
        return [envelope.unwrap(key, kv.value) for answer in found for kv in answer.kvs]

    async def _names(self) -> Sequence[bytes]:
        names: list[bytes] = []
        start = b"\0"
        while True:
            request = pb.RangeRequest(key=start, range_end=b"\0", limit=_PAGE, keys_only=True)
            page = await self._cluster.read(RANGE, request)
            names += [kv.key for kv in page.kvs]
            if not page.more:
                return names
            start = names[-1] + b"\0"

    async def free_prefix(self) -> str:
        """The first of `prefix-2`, `prefix-3`, … that holds nothing."""
        number = 2
        while True:
            layout = Layout(f"{self._prefix.rstrip('/')}-{number}/", AsStored())
            request = pb.RangeRequest(key=layout.start, range_end=layout.end, limit=1, keys_only=True)
            if not (await self._cluster.read(RANGE, request)).kvs:
                return str(layout).rstrip("/")
            number += 1

    def restoring(self, seal: Seal, identity: str) -> Restoring:
        """A restore into the prefix, for stores that have the keys of `seal`."""
        return Restoring(self._cluster, Layout(self._prefix, seal), identity)


@contextlib.asynccontextmanager
async def connected(endpoints: Sequence[str], prefix: str, files: TlsFiles) -> AsyncIterator[Copying]:
    """Connections to the cluster. `prefix` ends with a slash.

    Raises ValueError as EtcdStore does, OSError for an unreadable certificate; what etcd refuses inside is raised as
    StoreUnavailable.
    """
    parsed = parse_all(endpoints)
    check_schemes(parsed, files)
    cluster = Cluster(parsed, credentials(parsed, files))
    try:
        yield Copying(cluster, prefix)
    except grpc.aio.AioRpcError as error:
        raise StoreUnavailable(f"{cluster} refused: {said(error)}") from None
    finally:
        await cluster.close()
