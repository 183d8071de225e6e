"""One client's socket with TLS over it: bytes in, bytes out, and an end that loses no answer.

What waits to be sent stays unencrypted where it is while the client does not read: the buffers below hold some
64 KiB however large an answer is.
"""

import asyncio
import contextlib
import logging
import math
import socket
from abc import ABC, abstractmethod
from collections import deque
from itertools import islice
from typing import Any

from starlink.http.service import Channels
from starlink.http.session import SessionFailed

_PIECE = 64 * 1024
_LOOKED_AT = 64  # strangers, for one whose place helps
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))

log = logging.getLogger(__name__)


class Channel(asyncio.BufferedProtocol, ABC):
    """`deadline` is for what the client is to send next. A subclass says what is done with what comes."""

    __slots__ = (
        "_channels", "_out", "_transport", "_unread_deadline",
        "admitted", "closing", "congested", "deadline", "ended", "remote", "session",
    )  # fmt: skip

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._transport: Any = None
        self._out: deque[memoryview] = deque()
        self._unread_deadline = math.inf
        self.session = channels.tls.session()
        self.remote = ""
        self.admitted = False  # the limits have room for it
        self.congested = False  # the client does not read what there is
        self.ended = False  # the client sends no more
        self.closing = False  # nothing more is sent but what waits
        self.deadline = math.inf

    # For the subclass to say

    @abstractmethod
    def received(self, data: bytes) -> None:
        """The client has sent this."""

    @abstractmethod
    def client_ended(self) -> None:
        """The client sends no more, but may read."""

    @abstractmethod
    def uncongested(self) -> None:
        """All that was written is with the system, after it was not."""

    @abstractmethod
    def expired(self) -> None:
        """The deadline has passed. The channel is to be finished."""

    @abstractmethod
    def lost(self) -> None:
        """The connection is gone."""

    # What the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        channels, limits = self._channels, self._channels.limits
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.remote = str(peer[0]).removeprefix("::ffff:") if peer else ""
        self.admitted = not channels.stopping and self._find_room()
        channels.refused += not self.admitted
        if channels.stopping or not (self.admitted or channels.has_room_to_refuse):
            self._transport.abort()
            return
        channels.open.add(self)
        if self.admitted:
            channels.strangers.join(self, channels.clock())
        self._transport.set_write_buffer_limits(high=_PIECE)
        _keep_alive(transport.get_extra_info("socket"))
        self.deadline = channels.clock() + limits.header_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        channels = self._channels
        channels.open.discard(self)
        channels.strangers.leave(self)
        if self.admitted:
            channels.admitted.give_back(self.remote)
        self.closing = True
        self._out.clear()
        self.lost()
        self.session.release()
        if not channels.open:
            channels.empty.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._channels.room

    def buffer_updated(self, nbytes: int) -> None:
        if self.closing:
            return
        session = self.session
        settled = session.settled
        try:
            data = session.receive(self._channels.room[:nbytes])
        except SessionFailed as failure:
            self._fail(failure)
            return
        if not settled and (output := session.output()):
            self._transport.write(output)
        if data:
            self.received(data)
        if session.ended:
            self._end()

    def eof_received(self) -> bool:
        """The client has gone, or reads at most what is on its way."""
        self._end()
        return self.congested

    def pause_writing(self) -> None:
        self.congested = True
        self._unread_deadline = self._channels.clock() + self._channels.limits.stalled_seconds

    def resume_writing(self) -> None:
        self.congested = False
        self._unread_deadline = math.inf
        self._pump()
        if self.congested:
            return
        if self.closing:
            self._leave()
        else:
            self.uncongested()

    # What the server says

    def check(self, now: float) -> None:
        """Ends what takes longer than it may."""
        if now >= self._unread_deadline:
            log.warning("a client that does not read was cut off", extra={"remote": self.remote})
            self._transport.abort()
        elif now >= self.deadline:
            self._expire(now)

    def abort(self) -> None:
        """Ends the connection at once."""
        self._transport.abort()

    # What the subclass says

    def write(self, data: bytes) -> None:
        """Sends bytes, as soon as the client reads. What comes after the end is dropped."""
        if self.closing:
            return
        if self.congested or len(data) > _PIECE:
            self._out.append(memoryview(data))
            self._pump()
        else:
            self._encrypt(data)

    def pause_reading(self) -> None:
        """Lets what the client sends wait at the client."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """The opposite."""
        self._transport.resume_reading()

    def finish(self) -> None:
        """Closes the connection once what was written is sent."""
        if self.closing:
            return
        self.closing = True
        if not self.congested:
            self._leave()

    @property
    def gone(self) -> bool:
        """Whether nothing can be sent any more."""
        return bool(self._transport.is_closing())

    def spoke(self, *, known: bool) -> None:
        """The client has sent a whole request; `known`: and proved to be somebody."""
        if known:
            self._channels.strangers.leave(self)
        else:
            self._channels.strangers.heard(self, self._channels.clock())

    def _find_room(self) -> bool:
        """Takes a free place, or the place of a stranger. A stranger with many connections must not keep out an
        account, which may come from the same address."""
        channels, remote = self._channels, self.remote
        strangers, quiet_since = channels.strangers, channels.clock() - channels.limits.stranger_seconds
        has_many = strangers.held(remote) >= channels.limits.strangers_per_address
        if not has_many and channels.admitted.take(remote):
            return True
        silent, quietest = strangers.oldest_silent(remote), strangers.quietest(remote)
        if silent is not None and self._take(silent):
            return True
        if has_many:
            return quietest is not None and strangers.spoke[quietest] <= quiet_since and self._take(quietest)
        return self._take_anybodys(quiet_since)

    def _take_anybodys(self, quiet_since: float) -> bool:
        """Takes the place of the stranger, wherever it is, that is silent for longest."""
        for stranger, spoke in islice(self._channels.strangers.spoke.items(), _LOOKED_AT):
            if spoke > quiet_since:
                return False
            if self._take(stranger):
                return True
        return False

    def _take(self, stranger: "Channel") -> bool:
        """Takes a stranger's place, if that helps."""
        channels = self._channels
        stranger.admitted = False
        channels.admitted.give_back(stranger.remote)
        if not channels.admitted.take(self.remote):
            stranger.admitted = channels.admitted.take(stranger.remote)
            return False
        channels.strangers.leave(stranger)
        stranger.abort()
        return True

    def _pump(self) -> None:
        """Encrypts and sends what waits, for as long as the client reads."""
        while self._out and not self.congested and not self._transport.is_closing():
            data = self._out.popleft()
            if len(data) > _PIECE:
                self._out.appendleft(data[_PIECE:])
            self._encrypt(data[:_PIECE])

    def _encrypt(self, data: bytes | memoryview) -> None:
        if self._transport.is_closing():
            return
        try:
            encrypted = self.session.encrypt(data)
        except SessionFailed as failure:
            self._out.clear()
            self._fail(failure)
        else:
            self._transport.write(encrypted)

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            if not self.closing:
                self.client_ended()

    def _fail(self, failure: SessionFailed) -> None:
        log.debug("a TLS connection failed", extra={"remote": self.remote, "reason": str(failure)})
        if failure.alert:
            self._transport.write(failure.alert)
        self.closing = True
        self._leave(farewell=False)

    def _expire(self, now: float) -> None:
        self.deadline = math.inf
        if self.session.settled and not self.closing:
            self.expired()
            return
        self._unread_deadline = now + self._channels.limits.stalled_seconds
        self._transport.close()

    def _leave(self, *, farewell: bool = True) -> None:
        """Says that no more comes, and gives the client time to read: to close at once, with bytes of its own still
        unread, could take the answer from it (RFC 9112, section 9.6)."""
        transport = self._transport
        if transport.is_closing():
            return
        if farewell and (words := self.session.farewell()):
            transport.write(words)
        if self.ended or self._channels.stopping:
            self._unread_deadline = self._channels.clock() + self._channels.limits.stalled_seconds
            transport.close()
            return
        with contextlib.suppress(OSError):  # the client has gone meanwhile
            transport.write_eof()
        transport.resume_reading()
        self.deadline = self._channels.clock() + self._channels.limits.linger_seconds


def _keep_alive(peer: socket.socket) -> None:
    """A client that is gone without a word is found out, though nothing is sent to it."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        peer.setsockopt(socket.IPPROTO_TCP, option, value)
