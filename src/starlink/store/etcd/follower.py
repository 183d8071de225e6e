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
from starlink.store.etcd.history_mark import HistoryMark
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
    """Changes `mirror` as etcd says; `reload` reads everything into it again; `history` knows what has been seen.

    `problem` says why what etcd holds can't be taken over, for as long as that is so.
    """

    def __init__(
        self,
        cluster: Cluster,
        layout: Layout,
        mirror: Mirror,
        reload: Callable[[], Awaitable[None]],
        history: HistoryMark,
    ) -> None:
        self._cluster = cluster
        self._layout = layout
        self._mirror = mirror
        self._reload = reload
        self._history = history
        self.problem = ""
        self._judged = asyncio.Event()  # etcd is followed, or it is known why not
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
                log.error("what etcd holds can't be taken over; nothing after it is seen here, nor written: %s", reason)
                self._judge(str(reason))
                pause = _REFUSED_PAUSE
            except Exception:
                log.exception("the watch of etcd failed; everything is read again")
                stale = True
            if not self.problem:
                self._judged.clear()
            await asyncio.sleep(pause)

    def _judge(self, problem: str) -> None:
        self.problem = problem
        self._judged.set()

    async def trusted(self) -> None:
        """Waits until etcd is followed, and has been found to be the one that was followed before; what is written
        before that might go into another one. Raises StoreUnavailable when it is not that one."""
        await self._judged.wait()
        self._refuse_untrusted()

    def _refuse_untrusted(self) -> None:
        if self.problem:
            raise StoreUnavailable(f"nothing can be written: {self.problem}")

    def _tell_of_loss(self, reason: Exception) -> None:
        """While no member has a leader there is one every tenth of a second."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at > _QUIET:
            self._told_at = now
            log.warning("the watch of etcd is resumed: %s", reason)

    async def delivered(self, revision: int) -> None:
        """Waits until memory has reached `revision`, which etcd has; moves a watch that has gone silent. Raises
        StoreUnavailable when what etcd has can't be taken over."""
        while self._mirror.revision < revision:
            self._refuse_untrusted()
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
        await self._history.check(self._cluster, self._layout)
        if begins_at < self._mirror.revision:
            await self._refuse_lost_history()
        self._judge("")
        while True:
            answer = await stream.next()
            parts = [told for told in map(self._told, answer.events) if told is not None]
            if parts:
                self._mirror.take(parts, answer.revision)
            else:
                self._mirror.advance(answer.revision)
            self._history.seen(self._layout, answer.revision, answer.events)

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
