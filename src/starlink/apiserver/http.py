"""The HTTP adapter: TLS and HTTP/1.1 over asyncio and httptools, in front of the core.

Not a framework's server: this hands the client's certificate to the core, and needs little memory.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

import httptools

from starlink.apiserver import errors
from starlink.apiserver.authentication import Authenticator, certificate_user
from starlink.apiserver.encoding import dump
from starlink.apiserver.errors import StatusError
from starlink.apiserver.message import Request, Response, Stream, User

MAX_HEADERS = 64 * 1024
MAX_BODY = 3 * 1024 * 1024
MAX_PIPELINED = 64
MAX_CONNECTIONS = 5_000
HEADER_SECONDS = 30.0
IDLE_SECONDS = 300.0
_HIGH_WATER = 1024 * 1024

log = logging.getLogger(__name__)

Handle = Callable[[Request], Awaitable[Response | Stream]]


class Connection(asyncio.Protocol):
    """One client's connection: its requests are answered one after another, in order."""

    def __init__(self, server: "HttpServer") -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request | StatusError] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._closing = False
        self._user: User | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._reset()

    def _reset(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._refusal: StatusError | None = None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if not self._server.admit(self):
            transport.close()
            return
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._user = certificate_user(transport.get_extra_info("peercert"))
        self._expect_within(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._server.forget(self)
        self._writable.set()
        if self._deadline is not None:
            self._deadline.cancel()
        if self._worker is not None:
            self._worker.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _expect_within(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._worker is None and self._transport is not None:
            self._transport.close()

    def stop(self) -> None:
        """Closes the connection, streams included."""
        self._closing = True
        if self._worker is not None:
            self._worker.cancel()
        self._transport.close()

    # Parsing

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(errors.bad_request("this server speaks HTTP/1.1 only and upgrades to nothing"))
        except httptools.HttpParserError as error:
            self._refuse(errors.bad_request(f"malformed HTTP request: {error}"))

    def _refuse(self, error: StatusError) -> None:
        """Answers what can't be parsed, and closes."""
        self._closing = True
        self._enqueue(error)

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_header(len(name) + len(value))
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]},{text}" if key in self._headers else text

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADERS and self._refusal is None:
            self._refusal = StatusError(431, "RequestHeaderFieldsTooLarge", f"headers may have {MAX_HEADERS} bytes")
            raise httptools.HttpParserError("headers too large")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY:
            self._refusal = errors.too_large(f"the request's body has more than {MAX_BODY} bytes")
            self._body.clear()
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._refusal is not None:
            self._refuse(self._refusal)
            return
        try:
            self._enqueue(self._request())
        except (UnicodeDecodeError, ValueError, httptools.HttpParserError) as error:
            self._enqueue(errors.bad_request(f"malformed URL: {error}"))
        self._reset()

    def _request(self) -> Request:
        url = httptools.parse_url(self._target)
        query: dict[str, str] = {}
        if url.query:
            pairs = parse_qsl(url.query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
            for key, value in reversed(pairs):
                query[key] = value
        path = unquote((url.path or b"/").decode("ascii"), errors="strict")
        method = self._parser.get_method().decode("ascii")
        return Request(method, path, query, self._headers, b"".join(self._body))

    def _enqueue(self, item: Request | StatusError) -> None:
        self._queue.append(item)
        if len(self._queue) > MAX_PIPELINED:
            self._transport.pause_reading()
        if self._worker is None:
            if self._deadline is not None:
                self._deadline.cancel()
            self._worker = self._loop.create_task(self._work())

    # Answering

    async def _work(self) -> None:
        try:
            while self._queue:
                item = self._queue.popleft()
                if not self._transport.is_closing():
                    self._transport.resume_reading()
                keep = await self._answer(item)
                if not keep or (self._closing and not self._queue):
                    self._transport.close()
                    return
        except asyncio.CancelledError:
            self._transport.abort()
        except Exception:
            log.exception("a connection failed")
            self._transport.abort()
        finally:
            self._worker = None
        if not self._transport.is_closing():
            self._expect_within(IDLE_SECONDS)

    async def _answer(self, item: Request | StatusError) -> bool:
        """Sends one answer; gives whether the connection may be kept."""
        if isinstance(item, StatusError):
            self._send(_refused(item), head_only=False, keep=not self._closing)
            return not self._closing
        keep = item.headers.get("connection", "").lower() != "close"
        answer = await self._server.answer(item, self._user)
        if isinstance(answer, Stream):
            await self._send_stream(answer)
        else:
            self._send(answer, head_only=item.method == "HEAD", keep=keep)
            await self._writable.wait()
        return keep

    def _send(self, response: Response, *, head_only: bool, keep: bool) -> None:
        head = _head(response.status, response.headers, b"content-length: %d\r\n" % len(response.body), keep)
        self._transport.write(head if head_only or response.status == 304 else head + response.body)

    async def _send_stream(self, stream: Stream) -> None:
        self._transport.write(_head(stream.status, stream.headers, b"transfer-encoding: chunked\r\n", True))
        chunks = stream.chunks
        try:
            async for chunk in chunks:
                self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                if not self._writable.is_set():
                    await self._writable.wait()
                if self._transport.is_closing():
                    return
            self._transport.write(b"0\r\n\r\n")
        finally:
            await _close(chunks)


class HttpServer:
    """Listens, authenticates, and hands requests to the core."""

    def __init__(self, handle: Handle, authenticator: Authenticator) -> None:
        self._handle = handle
        self._authenticator = authenticator
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Listens; gives the port, which the system picks when it is 0."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port, ssl=tls, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Closes the listener and every connection."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.stop()
        await asyncio.sleep(0)

    def admit(self, connection: Connection) -> bool:
        if len(self._connections) >= MAX_CONNECTIONS:
            log.warning("a connection was refused", extra={"open": len(self._connections)})
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)

    async def answer(self, request: Request, certificate: User | None) -> Response | Stream:
        try:
            user = self._authenticator.user(request.headers.get("authorization", ""), certificate)
        except StatusError as error:
            return _refused(error)
        asked = Request(request.method, request.path, request.query, request.headers, request.body, user)
        return await self._handle(asked)


def server_tls(certificate: str, key: str, client_ca: str) -> ssl.SSLContext:
    """TLS 1.2 or newer; a client certificate is asked for, and must be the CA's when it is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def _refused(error: StatusError) -> Response:
    return Response(error.code, dump(error.status()), {"content-type": "application/json"})


def _head(status: int, headers: Any, framing: bytes, keep: bool) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}"]
    lines += [f"{name}: {_one_line(value)}" for name, value in headers.items()]
    if not keep:
        lines.append("connection: close")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n" + framing + b"\r\n"


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")


async def _close(chunks: AsyncIterator[bytes]) -> None:
    close = getattr(chunks, "aclose", None)
    if close is not None:
        with contextlib.suppress(asyncio.CancelledError):
            await close()
