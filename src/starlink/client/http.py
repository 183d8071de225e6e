"""HTTP/1.1 over asyncio and httptools: a small pool of kept-alive connections, and streams."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httptools

from starlink.client.config import Config
from starlink.client.errors import Unreachable

MAX_CONNECTIONS = 8
"""Each costs both sides a quarter of a megabyte of TLS buffers."""
CONNECT_SECONDS = 10.0
_HIGH_WATER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: Any = None
        self.closed = False
        self.used = False
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._complete = False
        self._started = False
        self._keep = False
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._wake = asyncio.Event()
        self._trouble: Unreachable | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._fail(f"the connection broke: {exc or 'closed by the server'}")

    def _fail(self, why: str) -> None:
        if not self._complete:
            self._trouble = Unreachable(why)
            if not self._status.done():
                self._status.set_exception(self._trouble)
                self._status.exception()
        self._wake.set()

    def data_received(self, data: bytes) -> None:
        self._started = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the server's answer is not HTTP: {error}")
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and not self._status.done():
            self._status.set_result(status)

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._held += len(body)
        if self._held > _HIGH_WATER:
            self._transport.pause_reading()
        self._wake.set()

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            return
        self._complete = True
        self._keep = self._parser.should_keep_alive()
        self._wake.set()

    def send(self, request: bytes) -> None:
        self._reset()
        self.used = True
        self._transport.write(request)

    async def head(self) -> tuple[int, Mapping[str, str]]:
        return await self._status, self._headers

    async def chunk(self) -> bytes:
        """The next part of the body, b"" at its end. Raises Unreachable."""
        while not self._chunks:
            if self._complete:
                return b""
            if self._trouble is not None:
                raise self._trouble
            self._wake.clear()
            await self._wake.wait()
        chunk = self._chunks.popleft()
        self._held -= len(chunk)
        if self._held <= _HIGH_WATER and not self.closed:
            self._transport.resume_reading()
        return chunk

    @property
    def untouched(self) -> bool:
        """Whether not a byte of an answer came: a kept connection that had died before the request."""
        return not self._started

    @property
    def reusable(self) -> bool:
        return self._complete and self._keep and not self.closed

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Http:
    """Requests to one server."""

    def __init__(self, config: Config, connections: int = MAX_CONNECTIONS) -> None:
        self._config = config
        self._tls: ssl.SSLContext | None = None
        self._idle: list[_Connection] = []
        self._slots = asyncio.Semaphore(connections)

    async def request(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Answer:
        """One whole answer within `seconds`. Raises Unreachable."""
        request = self._encode(method, path, query, headers, body)
        try:
            async with asyncio.timeout(seconds), self._slots:
                return await self._exchange(request)
        except TimeoutError:
            raise Unreachable(f"{self._config.server} did not answer within {seconds:g} s") from None

    async def _exchange(self, request: bytes) -> Answer:
        while True:
            connection, fresh = await self._connection()
            try:
                connection.send(request)
                status, headers = await connection.head()
                parts = []
                while chunk := await connection.chunk():
                    parts.append(chunk)
            except Unreachable:
                connection.close()
                if fresh or not connection.untouched:
                    raise
                continue
            except BaseException:
                connection.close()
                raise
            if connection.reusable:
                self._idle.append(connection)
            else:
                connection.close()
            return Answer(status, headers, b"".join(parts))

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], seconds: float
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """A status and the body's parts as they come, on a connection of its own. `seconds` bounds only the
        wait for the status. Raises Unreachable."""
        connection = await self._connect()
        try:
            connection.send(self._encode("GET", path, query, headers, b""))
            try:
                async with asyncio.timeout(seconds):
                    status, _ = await connection.head()
            except TimeoutError:
                raise Unreachable(f"{self._config.server} did not answer within {seconds:g} s") from None
            yield status, _parts(connection)
        finally:
            connection.close()

    async def _connection(self) -> tuple[_Connection, bool]:
        """A connection, and whether it is a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection, False
        return await self._connect(), True

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        if self._tls is None:
            self._tls = self._config.tls()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    _Connection, self._config.host, self._config.port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{self._config.server} can't be reached: {error or 'timed out'}") from None
        return connection

    def _encode(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> bytes:
        target = f"{path}?{urlencode(query)}" if query else path
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._config.host}:{self._config.port}"]
        bearer = self._config.bearer()
        if bearer:
            lines.append(f"Authorization: Bearer {bearer}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def close(self) -> None:
        """Closes the idle connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()


async def _parts(connection: _Connection) -> AsyncIterator[bytes]:
    while chunk := await connection.chunk():
        yield chunk
