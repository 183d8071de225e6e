"""One encryption key for all servers: a sealed note proves that this one has it, and what is stale is sealed anew."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from starlink.store.base import Conflict, Key, Record, StoreUnavailable
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.cluster import Cluster
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.mirror import Mirror
from starlink.store.etcd.rpc import RANGE, TXN, if_at, put

PROOF = Key("/secrets", "", "proof-of-the-encryption-key")
NOTE = "seal"
_BODY = b"{}"

log = logging.getLogger(__name__)

Put = Callable[[Key, bytes, int], Awaitable[Record]]


async def check_key(cluster: Cluster, layout: Layout) -> None:
    """Leaves the proof, or opens the one that another server left.

    Raises StoreRefused when its key is not here, StoreUnavailable, AioRpcError.
    """
    raw = layout.note(NOTE)
    answer = await cluster.read(RANGE, pb.RangeRequest(key=raw))
    for kv in answer.kvs or await _leave_proof(cluster, layout, raw, 0):
        layout.seal.unseal(PROOF, kv.value)
        if layout.seal.stale(PROOF, kv.value):
            await _leave_proof(cluster, layout, raw, kv.mod_revision)


def proof(layout: Layout) -> bytes:
    """What only a server with the key of the layout's seal can open."""
    return layout.seal.seal(PROOF, _BODY)


async def _leave_proof(cluster: Cluster, layout: Layout, raw: bytes, revision: int) -> Sequence[pb.KeyValue]:
    """Gives what another server left there meanwhile."""
    answer = await cluster.read(TXN, if_at(raw, revision, put(raw, proof(layout))))
    return () if answer.succeeded else tuple(answer.responses[0].response_range.kvs)


async def reseal(mirror: Mirror, stale: Sequence[Key], write: Put) -> None:
    """Writes the objects that would be stored otherwise now; each gets a new revision."""
    for key in stale:
        record = mirror.latest(key)
        if record is not None:
            with contextlib.suppress(Conflict):  # another has just written it, and sealed it so
                await _resealed(record, write)


async def _resealed(record: Record, write: Put) -> None:
    try:
        await write(record.key, record.body, record.revision)
    except StoreUnavailable as error:
        log.warning("an object is not sealed anew until the next start: %s", error, extra={"key": record.key})
