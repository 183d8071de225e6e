"""One watch on one member: whole answers, or the reason why there are none."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc.aio

from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.errors import Compacted, Lost
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.member import Member

START_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Events of whole revisions; without events, word that there are none up to `revision`."""

    events: Sequence[pb.Event]
    revision: int


class WatchStream:
    """A watch of everything below the prefix; `heard` is when the member last said anything, on the loop's clock."""

    def __init__(self, member: Member) -> None:
        self._call: Any = member.watch()
        self._loop = asyncio.get_running_loop()
        self.heard = self._loop.time()  # it is not silent yet

    async def start(self, layout: Layout, after: int) -> int:
        """Asks for the events after a revision; gives the member's. Raises Lost, AioRpcError, TimeoutError."""
        create = pb.WatchCreateRequest(
            key=layout.start,
            range_end=layout.end,
            start_revision=after + 1,
            progress_notify=True,
            prev_kv=True,
            fragment=True,
        )
        async with asyncio.timeout(START_SECONDS):
            await self._call.write(pb.WatchRequest(create_request=create))
            created = await self._hear()
        if not created.created:
            raise Lost("it answered a new watch with something else")
        return created.header.revision

    async def next(self) -> Answer:
        """The next answer. Raises Lost, Compacted, AioRpcError, and CancelledError after `cancel`."""
        events: list[pb.Event] = []
        while True:
            answer = await self._hear()
            events += answer.events
            if answer.fragment:
                continue  # half a revision must not be resumed from
            if events:
                return Answer(events, events[-1].kv.mod_revision)
            if not answer.created:
                return Answer((), answer.header.revision)

    async def _hear(self) -> pb.WatchResponse:
        answer = await self._call.read()
        self.heard = self._loop.time()
        if answer is grpc.aio.EOF:
            raise Lost("it ended the watch")
        assert isinstance(answer, pb.WatchResponse)
        if answer.canceled and answer.compact_revision:
            raise Compacted(answer.compact_revision)
        if answer.canceled or answer.watch_id != 0:
            raise Lost(f"it refused the watch: {answer.cancel_reason or answer.watch_id}")
        return answer

    def cancel(self) -> None:
        self._call.cancel()
