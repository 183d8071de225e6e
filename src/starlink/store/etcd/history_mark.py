"""How far this server has seen etcd's history, kept beside its keys.

An etcd that was restored from a snapshot holds what it held then, and its revisions begin anew from there. Only a
server that remembers a later one can tell. What is remembered counts for one life of one prefix, which a random note
in it names: it is in each snapshot of that etcd, and in no other prefix. So the mark's identity is in two halves, of
the prefix and of the note: where the prefix is the same and the note is gone, etcd has lost everything.
"""

import hashlib
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
        """Writes nothing. Raises StoreRefused when a later revision was seen here than etcd is at, or the prefix has
        lost its note; StoreUnavailable, AioRpcError, OSError."""
        if self._path is None:
            return
        answer = await cluster.read(RANGE, pb.RangeRequest(key=layout.note(NOTE)))
        mark, revision = _read(self._path), answer.header.revision
        if mark is None or not mark.identity.startswith(_half(layout.start)):
            return
        if not answer.kvs:
            raise StoreRefused(
                f"{cluster} holds nothing of the StarLink whose revision {mark.revision} has been seen here below "
                f"{layout}: it was emptied, or it is another etcd; give the --etcd-endpoints and the --etcd-prefix of "
                f"that one, or restore a backup; to start with what is there, remove {self._path}"
            )
        seen = mark.revision if mark.identity == _identity(layout, answer.kvs[0].value) else 0
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
        """Of this life of the prefix; the first server leaves the note that names it."""
        raw, mine = layout.note(NOTE), self._random(IDENTITY_BYTES)
        answer: pb.TxnResponse = await cluster.read(TXN, if_at(raw, 0, put(raw, mine)))
        return _identity(layout, mine if answer.succeeded else answer.responses[0].response_range.kvs[0].value)


def _identity(layout: Layout, note: bytes) -> bytes:
    return _half(layout.start) + _half(note)


def _half(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[: IDENTITY_BYTES // 2]


def _read(path: Path) -> Mark | None:
    """What was seen last, None for nothing. Raises StoreRefused, OSError."""
    try:
        return highwater.read(path)
    except DamagedMark as error:
        raise StoreRefused(
            f"{error}, so nobody can tell whether etcd lacks writes; see that it is no older copy, and remove the file"
        ) from None
