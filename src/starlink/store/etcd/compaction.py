"""Compaction: etcd keeps every revision until it is told to forget."""

import asyncio
import logging

import grpc.aio

from starlink.store.etcd.cluster import READ_SECONDS, Cluster
from starlink.store.etcd.etcd_pb2 import CompactionRequest
from starlink.store.etcd.follower import Follower
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.mirror import Mirror
from starlink.store.etcd.rpc import COMPACT, TXN, if_at, put, said

COMPACT_EVERY = 300.0
_NOTE = "compacted"

log = logging.getLogger(__name__)


class Compaction:
    """Forgets, from time to time, what was written before the last time, and never the last `kept` revisions.

    One of the servers that share a prefix does it: each must move the note on from the revision that it saw it at.
    """

    def __init__(self, cluster: Cluster, layout: Layout, follower: Follower, mirror: Mirror, kept: int) -> None:
        self._cluster = cluster
        self._raw = layout.note(_NOTE)
        self._follower = follower
        self._mirror = mirror
        self._kept = kept
        self._claimed = 0
        self._noted = 0
        self.done = 0

    async def run(self, every: float) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.once()
            except grpc.aio.AioRpcError as error:
                log.warning("etcd was not compacted: %s", said(error))

    async def once(self) -> None:
        """Compacts, unless another server has done so since this one last looked, and never what is not followed here.
        Raises AioRpcError."""
        if self._follower.problem:
            return
        revision = self._mirror.revision
        target, self._noted = min(self._noted, revision - self._kept), revision
        if target <= self.done or not await self._claim(target):
            return
        member = await self._cluster.ready()
        await member.ask(COMPACT, CompactionRequest(revision=target), READ_SECONDS)
        self.done = target

    async def _claim(self, target: int) -> bool:
        request = if_at(self._raw, self._claimed, put(self._raw, str(target).encode()))
        member = await self._cluster.ready()
        answer = await member.ask(TXN, request, READ_SECONDS)
        if answer.succeeded:
            self._claimed = answer.header.revision
        else:
            self._claimed = max((kv.mod_revision for kv in answer.responses[0].response_range.kvs), default=0)
        return answer.succeeded
