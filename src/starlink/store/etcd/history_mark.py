"""How far this server has seen etcd's history, kept beside its keys.

An etcd that was restored from a snapshot holds what it held then, and its revisions begin anew from there. Only a
server that remembers a later one can tell, and once others have written it is no longer behind: then what happened at
a revision tells (`witness`). What is remembered counts for one life of one prefix, which a random note in it names: it
is in each snapshot of that etcd, and in no other prefix. So the mark's identity is in two halves, of the prefix and of
the note.
"""

import hashlib
import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import grpc.aio

from starlink.store import highwater
from starlink.store.base import REVISION_STEP, StoreRefused
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.cluster import Cluster
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.rpc import RANGE, TXN, if_at, put
from starlink.store.etcd.witness import Witness, last_seen
from starlink.store.highwater import IDENTITY_BYTES, MAX_WITNESS, DamagedMark, HighWater, Mark
from starlink.store.tally import Tally

NOTE = "identity"
_NO_TALLY = Tally(0, 0)
_BUMPED = REVISION_STEP // 2  # no StarLink writes so much meanwhile; `etcdutl snapshot restore --bump-revision` does

_EMPTIED = (
    "it was emptied, or it is another etcd; give the --etcd-endpoints and the --etcd-prefix of that one, or restore a "
    "backup"
)
_OLDER = (
    "it was restored from an older snapshot, and writes that were acknowledged are lost; restore the snapshot with "
    "--bump-revision 1000000000 --mark-compacted, so that clients list anew, or restore a backup"
)

log = logging.getLogger(__name__)


class HistoryMark:
    """The mark in `path`; without a path nothing is remembered."""

    def __init__(self, path: Path | None, random: Callable[[int], bytes] = os.urandom) -> None:
        self._path = path
        self._random = random
        # Not synced: an fdatasync would hold up the event loop. The operating system writes it within half a minute.
        self._file = HighWater(path, math.inf) if path else None
        self._mark: Mark | None = None

    async def check(self, cluster: Cluster, layout: Layout) -> None:
        """Writes nothing to etcd. Raises StoreRefused when etcd's history is not the one that was seen here, of which
        word is left in the file; StoreUnavailable, AioRpcError, OSError."""
        if self._path is None or self._file is None:
            return
        mark = self._mark or _read(self._path)
        if mark is None or not mark.identity.startswith(_half(layout.start)):
            return
        why = await self._difference(cluster, layout, mark)
        if not why:
            return
        witness = Witness.parse(mark.witness)
        if witness is not None and not witness.refused:
            mark = mark._replace(witness=witness._replace(refused=True).pack())
            self._file.begin(mark)
            self._mark = self._mark and mark
        raise StoreRefused(why)

    async def _difference(self, cluster: Cluster, layout: Layout, mark: Mark) -> str:
        """How etcd's history differs from the one that was seen, and what to do about it; "" when it does not
        differ."""
        answer = await cluster.read(RANGE, pb.RangeRequest(key=layout.note(NOTE)))
        revision, name = answer.header.revision, cluster.name
        go_on = f"to go on with what is there as it is, stop this server, remove {self._path} and start it again"
        if not answer.kvs or mark.identity != _identity(layout, answer.kvs[0].value):
            holds = "holds another StarLink than the one" if answer.kvs else "holds nothing of the StarLink"
            return (
                f"{name} {holds} whose revision {mark.revision} has been seen here below {layout}: {_EMPTIED}; {go_on}"
            )
        if revision < mark.revision:
            return f"{name} is at revision {revision}, but {mark.revision} has been seen here: {_OLDER}; {go_on}"
        witness = Witness.parse(mark.witness)
        if witness is None or await _bears_out(cluster, witness, revision - mark.revision >= _BUMPED):
            return ""
        return (
            f"{name} has another history than the one that has been seen here up to revision {mark.revision}: at "
            f"revision {witness.revision} something else was written; {_OLDER}; {go_on}"
        )

    async def begin(self, cluster: Cluster, layout: Layout, revision: int, witness: Witness | None) -> None:
        """Goes on from `revision`, at which etcd was read. Raises StoreUnavailable, AioRpcError, OSError."""
        if self._path is None or self._file is None:
            return
        identity = await self._identity_of(cluster, layout)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._mark = Mark(revision, _NO_TALLY, identity, _packed(witness))
        self._file.begin(self._mark)

    def seen(self, layout: Layout, revision: int, events: Sequence[pb.Event]) -> None:
        """etcd has been followed up to `revision`, and these are its last events."""
        if self._file is None or self._mark is None or revision <= self._mark.revision:
            return
        packed = _packed(last_seen(layout, events)) or self._mark.witness
        self._mark = self._mark._replace(revision=revision, witness=packed)
        try:
            self._file.raise_to(self._mark)
        except OSError as error:
            log.warning("%s was not written: %s", self._path, error)

    def close(self) -> None:
        self._mark = None
        if self._file is not None:
            self._file.close()

    async def _identity_of(self, cluster: Cluster, layout: Layout) -> bytes:
        """Of this life of the prefix; the first server leaves the note that names it."""
        raw, mine = layout.note(NOTE), self._random(IDENTITY_BYTES)
        answer: pb.TxnResponse = await cluster.read(TXN, if_at(raw, 0, put(raw, mine)))
        return _identity(layout, mine if answer.succeeded else answer.responses[0].response_range.kvs[0].value)


async def _bears_out(cluster: Cluster, witness: Witness, bumped: bool) -> bool:
    """Whether etcd holds the write that the witness saw, or can no longer say. When that revision is compacted, only
    the key's newest revision can contradict the witness. A restore that `bumped` the revision has said by that that
    writes are lost, and is believed."""
    try:
        now = await cluster.read(RANGE, pb.RangeRequest(key=witness.raw, revision=witness.revision))
        before = await cluster.read(RANGE, pb.RangeRequest(key=witness.raw, revision=max(witness.revision - 1, 1)))
        return witness.is_borne_out(now.kvs, before.kvs)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.OUT_OF_RANGE:
            raise
    if bumped:
        return True
    newest = await cluster.read(RANGE, pb.RangeRequest(key=witness.raw))
    if any(kv.mod_revision < witness.revision for kv in newest.kvs):
        return False
    return not witness.refused or any(map(witness.is_held_by, newest.kvs))


def _packed(witness: Witness | None) -> bytes:
    packed = witness.pack() if witness else b""
    return packed if len(packed) <= MAX_WITNESS else b""


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
