"""Following etcd: one watch after another brings memory up to date."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import grpc.aio

from starlink.store.base import StoreRefused, StoreUnavailable
from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.cluster import PAUSE, Cluster
from starlink.store.etcd.envelope import DamagedValue
from starlink.store.etcd.errors import Lost, Stale
from starlink.store.etcd.layout import Layout, Told
from starlink.store.etcd.member import Member
from starlink.store.etcd.mirror import Mirror
from starlink.store.etcd.rpc import RANGE, said
from starlink.store.etcd.stream import WatchStream

_SILENCE = 1.0
_REFUSED_PAUSE = 5.0
_QUIET = 10.0

log = logging.getLogger(__name__)


class Follower:
    """Changes `mirror` as etcd says; `reload` reads everything into it again, `seen` is told how far it has come."""

    def __init__(
        self,
        cluster: Cluster,
        layout: Layout,
        mirror: Mirror,
        reload: Callable[[], Awaitable[None]],
        seen: Callable[[int], None],
    ) -> None:
        self._cluster = cluster
        self._layout = layout
        self._mirror = mirror
        self._reload = reload
        self._seen = seen
        self._stream: WatchStream | None = None
        self._told_at = float("-inf")

    async def run(self) -> None:
        """Watches, and resumes after whatever ends a watch, until cancelled."""
        stale = False
        while True:
            pause = PAUSE
            try:
                if stale:
                    await self._reload()
                    stale = False
                await self._watch()
            except Stale as reason:
                log.warning("everything is read from etcd again: %s", reason)
                stale = True
            except (Lost, StoreUnavailable) as reason:
                self._tell_of_loss(reason)
            except StoreRefused as reason:
                log.error("what etcd holds can't be taken over, and nothing after it is seen here: %s", reason)
                pause = _REFUSED_PAUSE
            except Exception:
                log.exception("the watch of etcd failed; everything is read again")
                stale = True
            await asyncio.sleep(pause)

    def _tell_of_loss(self, reason: Exception) -> None:
        """While no member has a leader there is one every tenth of a second."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at > _QUIET:
            self._told_at = now
            log.warning("the watch of etcd is resumed: %s", reason)

    async def delivered(self, revision: int) -> None:
        """Waits until memory has reached `revision`, which etcd has; moves a watch that has gone silent."""
        while self._mirror.revision < revision:
            try:
                async with asyncio.timeout(_SILENCE):
                    await self._mirror.reached(revision)
            except TimeoutError:
                self._move_silent()

    def _move_silent(self) -> None:
        stream = self._stream
        if stream is not None and asyncio.get_running_loop().time() - stream.heard > _SILENCE:
            stream.cancel()

    async def _watch(self) -> None:
        """One watch from where memory ends. Raises Lost, Stale, StoreUnavailable, StoreRefused."""
        member = await self._cluster.ready()
        self._stream = stream = WatchStream(member)
        try:
            await self._receive(stream)
        except (grpc.aio.AioRpcError, TimeoutError, Lost) as error:
            raise self._left(member, said(error)) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise self._left(member, "it has written what its watch does not tell") from None
        finally:
            self._stream = None
            stream.cancel()

    def _left(self, member: Member, why: str) -> Lost:
        self._cluster.leave(member, why)
        return Lost(self._cluster.problem)

    async def _receive(self, stream: WatchStream) -> None:
        begins_at = await stream.start(self._layout, self._mirror.revision)
        if begins_at < self._mirror.revision:
            await self._refuse_lost_history()
        while True:
            answer = await stream.next()
            parts = [told for told in map(self._told, answer.events) if told is not None]
            if parts:
                self._mirror.take(parts, answer.revision)
            else:
                self._mirror.advance(answer.revision)
            self._seen(answer.revision)

    def _told(self, event: pb.Event) -> Told | None:
        """What can't be read is not gone: the object stays as it was last seen, and the others go on. The next write of
        it does not follow what memory has, so that everything is read again then."""
        try:
            return self._layout.told(event)
        except DamagedValue as error:
            log.error("it is kept here as it was before: %s", error)
            return None

    async def _refuse_lost_history(self) -> None:
        """A member that lags catches up; a cluster restored from a backup never does. Raises Stale."""
        answer = await self._cluster.read(RANGE, pb.RangeRequest(key=self._layout.start))
        if answer.header.revision < self._mirror.revision:
            raise Stale(f"etcd went back from revision {self._mirror.revision} to {answer.header.revision}")
