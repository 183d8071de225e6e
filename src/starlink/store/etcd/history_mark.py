"""How far this server has seen etcd's history, kept beside its keys.

An etcd that was restored from a snapshot holds what it held then, and its revisions begin anew from there. Only a
server that remembers a later one can tell. What is remembered counts for one life of one prefix, which a random note
in it names: it is in each snapshot of that etcd, and in no other prefix.
"""

import logging
import math
import os
from collections.abc import Callable
from pathlib import Path

from starlink.store import highwater
from starlink.store.base import StoreRefused
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.cluster import Cluster
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.rpc import RANGE, TXN, if_at, put
from starlink.store.highwater import IDENTITY_BYTES, DamagedMark, HighWater, Mark
from starlink.store.tally import Tally

NOTE = "identity"
_NO_TALLY = Tally(0, 0)

log = logging.getLogger(__name__)


class HistoryMark:
    """The mark in `path`; without a path nothing is remembered."""

    def __init__(self, path: Path | None, random: Callable[[int], bytes] = os.urandom) -> None:
        self._path = path
        self._random = random
        # Not synced: an fdatasync would hold up the event loop. The operating system writes it within half a minute.
        self._file = HighWater(path, math.inf) if path else None
        self._identity = b""

    async def check(self, cluster: Cluster, layout: Layout) -> None:
        """Writes nothing. Raises StoreRefused when a later revision was seen here than etcd is at, StoreUnavailable,
        AioRpcError, OSError."""
        if self._path is None:
            return
        answer = await cluster.read(RANGE, pb.RangeRequest(key=layout.note(NOTE)))
        identity = next((kv.value for kv in answer.kvs), b"")
        revision, seen = answer.header.revision, _seen(self._path, identity)
        if seen > revision:
            raise StoreRefused(
                f"{cluster} is at revision {revision}, but {seen} has been seen here: it was restored from an older "
                "snapshot, and writes that were acknowledged are lost; restore the snapshot with --bump-revision "
                "1000000000 --mark-compacted, so that clients list anew, or restore a backup; to go on with what is "
                f"there as it is, remove {self._path}"
            )

    async def begin(self, cluster: Cluster, layout: Layout, revision: int) -> None:
        """Goes on from `revision`, at which etcd was read. Raises StoreUnavailable, AioRpcError, OSError."""
        if self._path is None or self._file is None:
            return
        self._identity = await self._identity_of(cluster, layout)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file.begin(Mark(revision, _NO_TALLY, self._identity))

    def raise_to(self, revision: int) -> None:
        """etcd has been followed up to `revision`."""
        if self._file is None:
            return
        try:
            self._file.raise_to(Mark(revision, _NO_TALLY, self._identity))
        except OSError as error:
            log.warning("%s was not written: %s", self._path, error)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    async def _identity_of(self, cluster: Cluster, layout: Layout) -> bytes:
        """The note's content; it is left there by the first server."""
        raw, mine = layout.note(NOTE), self._random(IDENTITY_BYTES)
        answer: pb.TxnResponse = await cluster.read(TXN, if_at(raw, 0, put(raw, mine)))
        return mine if answer.succeeded else answer.responses[0].response_range.kvs[0].value


def _seen(path: Path, identity: bytes) -> int:
    """What was seen of the prefix with this identity, 0 for nothing. Raises StoreRefused, OSError."""
    try:
        mark = highwater.read(path)
    except DamagedMark as error:
        raise StoreRefused(
            f"{error}, so nobody can tell whether etcd lacks writes; see that it is no older copy, and remove the file"
        ) from None
    return mark.revision if mark is not None and mark.identity == identity else 0
