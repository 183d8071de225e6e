"""Filling a prefix from a backup, all or nothing: a note stands in it from the first write to the last.

A store refuses a prefix with that note in it, and the next restore clears it. What is left in its place afterwards
tells stores the revision of the restore: no watch of what was told before it may be resumed.
"""

from collections.abc import Iterable, Sequence

from starlink.store.base import Record, StoreRefused
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.cluster import Cluster
from starlink.store.etcd.envelope import wrap
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.rpc import RANGE, TXN, delete, if_at, put
from starlink.store.etcd.sealing import NOTE, proof

_UNDER_WAY, _DONE = "restoring", "restored"


class Occupied(StoreRefused):
    """The prefix holds something, and no restore that was cut short."""


def refuse_unfinished(layout: Layout, kvs: Iterable[pb.KeyValue]) -> None:
    """Raises StoreRefused when a restore is not done with what was read."""
    note = layout.note(_UNDER_WAY)
    if any(kv.key == note for kv in kvs):
        raise StoreRefused(
            f"a restore into {layout} in etcd is under way, or was cut short; if none runs, "
            "run it again with --force, the same --etcd and the same --etcd-prefix"
        )


def restored_at(layout: Layout, kvs: Iterable[pb.KeyValue]) -> int:
    """The revision of the last write of the restore that made what was read, 0 for none."""
    note = layout.note(_DONE)
    return next((kv.mod_revision for kv in kvs if kv.key == note), 0)


class Restoring:
    """One restore into one prefix; `identity` tells it from every other one.

    The methods are called in their order, and may be given up after any of them. They raise StoreRefused,
    StoreUnavailable and AioRpcError.
    """

    def __init__(self, cluster: Cluster, layout: Layout, identity: str) -> None:
        self._cluster = cluster
        self._layout = layout
        self._note = layout.note(_UNDER_WAY)
        self._mine = identity.encode()
        self._since = 0

    async def claim(self) -> None:
        """Takes the prefix, if it holds nothing or what was cut short, which is removed. Raises Occupied besides."""
        asked = pb.TxnRequest(
            compare=[_is_empty(self._layout)], success=[put(self._note, self._mine)], failure=[_look(self._note)]
        )
        answer = await self._cluster.read(TXN, asked)
        self._since = answer.header.revision if answer.succeeded else await self._taken_over(_found(answer))
        await self._if_still_mine(put(self._layout.note(NOTE), proof(self._layout)))

    async def _taken_over(self, notes: Sequence[pb.KeyValue]) -> int:
        """Gives the revision of the own note. One that is there already was left by a claim without an answer."""
        if not notes:
            raise Occupied(f"{self._layout} in etcd holds something")
        if notes[0].value == self._mine:
            return notes[0].mod_revision
        rest = (delete(self._layout.start, self._note), delete(self._note + b"\0", self._layout.end))
        answer = await self._cluster.read(
            TXN, if_at(self._note, notes[0].mod_revision, put(self._note, self._mine), *rest)
        )
        if not answer.succeeded and (not _found(answer) or _found(answer)[0].value != self._mine):
            raise self._overtaken()
        return answer.header.revision if answer.succeeded else _found(answer)[0].mod_revision

    async def write(self, records: Iterable[Record]) -> None:
        """Writes objects, their bodies as they are to lie there, each at a revision of its own above the one before."""
        for record in records:
            await self._if_still_mine(put(self._layout.encode(record.key), wrap(record.key, record.body)))

    async def finish(self) -> None:
        """Lets stores have it."""
        done = self._layout.note(_DONE)
        answer = await self._cluster.read(
            TXN, if_at(self._note, self._since, delete(self._note), put(done, self._mine))
        )
        if not answer.succeeded:  # unless it was this one, whose first answer was lost
            left = await self._cluster.read(RANGE, pb.RangeRequest(key=done))
            if [kv.value for kv in left.kvs] != [self._mine]:
                raise self._overtaken()

    async def _if_still_mine(self, operation: pb.RequestOp) -> None:
        answer = await self._cluster.read(TXN, if_at(self._note, self._since, operation))
        if not answer.succeeded:
            raise self._overtaken()

    def _overtaken(self) -> StoreRefused:
        return StoreRefused(f"another restore has taken {self._layout} in etcd; let it end, or take another prefix")


def _is_empty(layout: Layout) -> pb.Compare:
    """A range is compared key by key, and nothing at all with a key of version 0:
    https://etcd.io/docs/v3.5/learning/api/#transaction."""
    equal, version = pb.Compare.CompareResult.EQUAL, pb.Compare.CompareTarget.VERSION
    return pb.Compare(result=equal, target=version, key=layout.start, range_end=layout.end, version=0)


def _look(raw: bytes) -> pb.RequestOp:
    return pb.RequestOp(request_range={"key": raw})


def _found(answer: pb.TxnResponse) -> Sequence[pb.KeyValue]:
    return tuple(answer.responses[0].response_range.kvs)
