"""One connection's HTTP/1.1: a request out, its answer in, one after another."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import httptools

from starlink.client.errors import Unreachable
from starlink.http.wire import Wire

_HIGH_WATER = 1024 * 1024
MOST_HEAD = 64 * 1024
"""Bytes of an answer's head, its trailers too, and of the 1xx answers before it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    body: bytes


class Reply(ABC):
    """Who is told an answer."""

    __slots__ = ()

    @abstractmethod
    def began(self, status: int) -> None:
        """The head is there."""

    @abstractmethod
    def came(self, data: bytes) -> None:
        """A part of the body is there."""

    @abstractmethod
    def completed(self) -> None:
        """All of it is there."""

    @abstractmethod
    def broke(self, trouble: Unreachable, *, untouched: bool) -> None:
        """No more comes; `untouched`: a kept connection had died before the request, and nothing came at all."""


class ConnectionPool(Protocol):
    """Who gives a connection its requests."""

    def freed(self, connection: "Connection", /) -> None:
        """A connection may take the next request."""

    def gone(self, connection: "Connection", /) -> None:
        """A connection takes none any more."""


class Connection(Wire):
    """One request at a time; `pool` is told when that has been answered."""

    def __init__(self, tls: ssl.SSLContext | None, host: str, room: memoryview) -> None:
        super().__init__(tls, host, room)
        self.tls = tls
        self.pool: ConnectionPool | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._kept = False  # an answer came before
        self._started = False
        self._complete = False
        self._keep = False
        self._head_fed = 0  # bytes of which none was body

    def send(self, request: bytes, reply: Reply) -> None:
        """Sends a request. The one before must have been answered."""
        self._reply = reply
        self._started = self._complete = False
        self._head_fed = 0
        self.write(request)

    def received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:  # nothing was asked
            self.close()
            return
        self._started = True
        self._head_fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.close()
            if not self._complete:
                self._break(f"the server's answer is not HTTP: {error}")
        if self._complete:
            self._finish(reply)
        elif self._head_fed >= MOST_HEAD and not self.closed:
            self.close()
            self._break(f"the head of the server's answer has more than {MOST_HEAD} bytes")

    def lost(self, why: str) -> None:
        self._break(f"the connection broke: {why}")
        if self.pool is not None:
            self.pool.gone(self)

    def _finish(self, reply: Reply) -> None:
        """Only once all that came has been looked at, so that no part of it is taken for the next answer."""
        self._reply = None
        self._kept = True
        reply.completed()
        if self.closed or not self._keep:
            self.close()
        elif self.pool is not None:
            self.pool.freed(self)

    def _break(self, why: str) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.broke(Unreachable(why), untouched=self._kept and not self._started)

    # What httptools calls

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("more came than was asked for")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self._reply is not None:
            self._reply.began(status)

    def on_body(self, body: bytes) -> None:
        self._head_fed = 0
        if self._reply is not None:
            self._reply.came(body)

    def on_message_complete(self) -> None:
        self._complete = self._parser.get_status_code() >= 200
        self._keep = self._parser.should_keep_alive()


class Parts(Reply):
    """A body as it comes. `status` is done with the head; both end with Unreachable when the connection breaks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._held = 0
        self._ended = False
        self._trouble: Unreachable | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.status: asyncio.Future[int] = self._loop.create_future()

    async def take(self) -> bytes:
        """What has come since, b"" at the end. Raises Unreachable."""
        while not self._parts:
            if self._ended:
                return b""
            if self._trouble is not None:
                raise self._trouble
            self._waiter = self._loop.create_future()
            await self._waiter
        data = b"".join(self._parts)
        self._parts.clear()
        if self._held > _HIGH_WATER:
            self._connection.resume_reading()
        self._held = 0
        return data

    async def rest(self) -> bytes:
        """All that has not been taken. Raises Unreachable."""
        pieces = []
        while piece := await self.take():
            pieces.append(piece)
        return b"".join(pieces)

    def began(self, status: int) -> None:
        if not self.status.done():
            self.status.set_result(status)

    def came(self, data: bytes) -> None:
        self._parts.append(data)
        self._held += len(data)
        if self._held > _HIGH_WATER:
            self._connection.pause_reading()
        self._wake()

    def completed(self) -> None:
        self._ended = True
        self._wake()

    def broke(self, trouble: Unreachable, *, untouched: bool) -> None:
        self._trouble = trouble
        if not self.status.done():
            self.status.set_exception(trouble)
            self.status.exception()  # whoever asked may be gone
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
