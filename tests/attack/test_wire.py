"""Strangers at the wire: endless heads, bodies, trailers and handshakes, full tables, and hostile servers."""

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import soon
from tests.integration.apiserver.serving import serving, who
from tests.unit.apiserver.http.parsers import parser as made_parser

from starlink.api.errors import StatusError
from starlink.api.kinds import SERVER
from starlink.apiserver import memo
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.requests.route import Router
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.schema import formats
from starlink.apiserver.security.authorization import authorizer as authorizing
from starlink.apiserver.security.authorization.authorizer import Authorizer
from starlink.apiserver.security.authorization.rbac import Attributes
from starlink.client import http
from starlink.client.config import Config
from starlink.client.errors import Unreachable
from starlink.client.kube import Client
from starlink.http import answers as wire
from starlink.http import listener as listening
from starlink.http import parser as parsing
from starlink.http.limits import Limits
from starlink.http.listener import Listener, Seldom, listen
from starlink.http.message import ANONYMOUS, Request, Response
from starlink.http.parser import RequestParser
from starlink.http.server import _fitting
from starlink.http.strangers import Strangers
from starlink.store.memory import MemoryStore

POST = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = 16 * 1024


async def test_strangers_do_not_keep_out_who_is_somebody(tmp_path: Path) -> None:
    """They hold all connections, and ask now and then."""
    limits = Limits(connections=4, connections_per_address=4, connections_refused=1, stranger_seconds=0.1)
    async with serving(tmp_path, limits=limits) as server, contextlib.AsyncExitStack() as stack:
        channels = server.server._service.channels  # type: ignore[union-attr]
        now = channels.clock()
        channels.clock = lambda: now
        jane = server.pki.client("jane")
        known = await stack.enter_async_context(server.talk(jane))
        assert (await known.ask()).json["user"] == "jane"
        strangers = [await stack.enter_async_context(server.talk()) for _ in range(3)]
        for stranger in strangers:
            assert (await stranger.ask()).status == 200
        assert len(channels.strangers) == 3
        above, silent = await asyncio.open_connection("127.0.0.1", server.port)
        await soon(lambda: not channels.has_room_to_refuse, "no room to refuse another")
        now += 2 * limits.stranger_seconds
        other = await stack.enter_async_context(server.talk(server.pki.client("joe")))
        assert (await other.ask()).json["user"] == "joe"
        assert await strangers[0].rest() == b""
        assert (await known.ask()).json["user"] == "jane"
        assert channels.admitted.taken == 4
        silent.close()
        assert above is not None


async def test_silent_connections_keep_nobody_of_their_address_out(tmp_path: Path) -> None:
    """All tasks of a machine and its operator, agent and kubectl come from one address."""
    limits = Limits(connections=200, connections_per_address=60, strangers_per_address=20, connections_refused=1)
    async with serving(tmp_path, limits=limits) as server, contextlib.AsyncExitStack() as stack:
        known = [await stack.enter_async_context(server.talk(server.pki.client("jane"))) for _ in range(3)]
        for one in known:
            assert (await one.ask()).json["user"] == "jane"
        silent = [(await asyncio.open_connection("127.0.0.1", server.port)) for _ in range(150)]
        channels = server.server._service.channels  # type: ignore[union-attr]
        await soon(lambda: channels.admitted.taken == 23, "all of them to have come")
        for _ in range(5):
            other = await stack.enter_async_context(server.talk(server.pki.client("joe")))
            assert (await other.ask()).json["user"] == "joe"
        for one in known:
            assert (await one.ask()).json["user"] == "jane"
        assert (channels.refused, channels.admitted.taken) == (0, 3 + 5 + 19)
        gone = [await reader.read() for reader, _ in silent[:131]]
        assert gone == [b""] * 131, "the oldest have gone"
        for _, writer in silent:
            writer.close()


async def test_an_address_full_of_somebody_has_room_for_its_own(tmp_path: Path) -> None:
    """The place is that of the last silent one, and not of a watch or a heartbeat."""
    limits = Limits(connections=9, connections_per_address=4, connections_refused=1)
    async with serving(tmp_path, limits=limits) as server, contextlib.AsyncExitStack() as stack:
        known = [await stack.enter_async_context(server.talk(server.pki.client("jane"))) for _ in range(3)]
        for one in known:
            assert (await one.ask()).json["user"] == "jane"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        channels = server.server._service.channels  # type: ignore[union-attr]
        await soon(lambda: channels.admitted.taken == 4, "the silent one to have come")
        other = await stack.enter_async_context(server.talk(server.pki.client("joe")))
        assert (await other.ask()).json["user"] == "joe" and await reader.read() == b""
        above = await stack.enter_async_context(server.talk(server.pki.client("ann")))
        assert (await above.ask()).status == 429
        for one in known:
            assert (await one.ask()).json["user"] == "jane"
        writer.close()


async def test_strangers_who_ask_do_not_exceed_their_number(tmp_path: Path) -> None:
    limits = Limits(connections=9, connections_per_address=9, strangers_per_address=2, connections_refused=1)
    async with serving(tmp_path, limits=limits) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            stranger = await stack.enter_async_context(server.talk())
            assert (await stranger.ask()).status == 200
        above = await stack.enter_async_context(server.talk())
        assert (await above.ask()).status == 429


def test_which_stranger_gives_way() -> None:
    class Channel:
        def __init__(self, remote: str) -> None:
            self.remote = remote

    strangers, (a, b, c) = Strangers(), (Channel("x"), Channel("x"), Channel("y"))
    for now, one in enumerate((a, b, c)):
        strangers.join(one, float(now))
    assert strangers.oldest_silent("x") is a and strangers.held("x") == 2
    strangers.heard(a, 3.0)
    assert strangers.oldest_silent("x") is b and strangers.quietest("x") is b and list(strangers.spoke) == [b, c, a]
    strangers.leave(b)
    assert strangers.oldest_silent("x") is None and strangers.quietest("x") is a and strangers.held("x") == 1
    for one in (a, c, c):
        strangers.leave(one)
    assert not strangers and strangers.held("x") == strangers.held("y") == 0


# Requests without an end


def fed(head: bytes, piece: Callable[[int], bytes], pieces: int = 64) -> tuple[RequestParser, int]:
    """A parser after a request that goes on and on, and how many pieces it took before it refused."""
    parser = made_parser(10_000_000)
    parser.feed(head)
    for number in range(pieces):
        if parser.ready:
            return parser, number
        parser.feed(piece(number))
    return parser, pieces


@pytest.mark.parametrize(
    ("head", "piece", "code"),
    [
        (b"GET /x HTTP/1.1\r\nX: ", lambda _: b"a" * PIECE, 431),
        (b"GET /x HTTP/1.1\r\n", lambda _: b"a" * PIECE, 431),
        (b"GET /x HTTP/1.1\r\n", lambda n: b"X%d: a\r\n" % n * 500, 431),
        (b"GET /", lambda _: b"a" * PIECE, 414),
        (POST + b"0\r\nX: ", lambda _: b"a" * PIECE, 431),
        (POST + b"0\r\nX", lambda _: b"a" * PIECE, 431),
        (POST + b"0\r\n", lambda n: b"X: a\r\n" * 2_000, 431),
        (POST + b"1;", lambda _: b"a" * PIECE, 431),
    ],
)
def test_a_head_a_target_and_a_trailer_end(head: bytes, piece: Callable[[int], bytes], code: int) -> None:
    parser, pieces = fed(head, piece)
    (refusal,) = parser.ready
    assert isinstance(refusal, StatusError) and refusal.code == code
    assert pieces * PIECE <= 3 * Limits().headers


@pytest.mark.parametrize("size", [1, 1_000, PIECE, 1_000_000])
@pytest.mark.parametrize(
    "framed",
    [
        b"2\r\n{}\r\n0\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"2\r\n{}\r\n0\r\n" + b"X: a\r\n" * 12_000 + b"\r\n",
        b"2;" + b"a" * 70_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"1;aaaaaaa\r\n \r\n" * 20_000 + b"0\r\n\r\n",
    ],
)
def test_what_frames_a_body_is_counted_up_to_its_end(framed: bytes, size: int) -> None:
    parser = made_parser(10_000_000)
    sent = POST + framed
    for start in range(0, len(sent), size):
        parser.feed(sent[start : start + size])
    (refusal,) = parser.ready
    assert isinstance(refusal, StatusError) and refusal.code == 431


def test_a_usual_chunked_body_comes_whole_with_the_next_request() -> None:
    parser = made_parser(10_000_000)
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    parser.feed((POST + chunk * 700 + b"0\r\nX: y\r\n\r\n") * 2)
    assert [len(request.body) for request in parser.ready if not isinstance(request, StatusError)] == [700 * 4096] * 2


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"GET /livez HTTP/1.1\r\nX: y\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /livez HTTP/1.0\r\n\r\n", None),
        (b"GET /livez HTTP/1.1\r\nHost:\r\n\r\n", None),
    ],
)
def test_a_request_names_its_host_once(head: bytes, code: int | None) -> None:
    parser = made_parser(10_000_000)
    parser.feed(head)
    (first,) = parser.ready
    assert (first.code if isinstance(first, StatusError) else None) == code


async def test_an_endless_trailer_takes_no_memory(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.talk() as talk:
        talk.writer.write(POST + b"2\r\n{}\r\n0\r\nX: ")
        for _ in range(64):
            talk.writer.write(b"a" * PIECE)
            with contextlib.suppress(OSError):
                await talk.writer.drain()
        answer = await talk.answer()
        assert (answer.status, answer.headers["connection"]) == (431, "close")


async def test_a_long_target_is_refused_and_a_usual_one_is_not(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert (await server.ask(head=f"GET /{'a' * 20_000} HTTP/1.1")).status == 414
        assert (await server.ask(head=f"GET /?labelSelector={'a' * 8_000} HTTP/1.1")).status == 200


@pytest.mark.parametrize("length", ["3145729", "9" * 18, "9" * 400])
async def test_a_body_is_refused_before_it_comes(tmp_path: Path, length: str) -> None:
    async with serving(tmp_path) as server, server.talk() as talk:
        answer = await talk.ask("POST / HTTP/1.1", f"Content-Length: {length}", "Expect: 100-continue")
        assert answer.status in (400, 413)


async def test_a_request_in_drops_times_out(tmp_path: Path) -> None:
    """A byte now and then puts nothing off."""
    async with serving(tmp_path, limits=Limits(request_seconds=0.3)) as server, server.talk() as talk:
        assert (await talk.ask()).status == 200

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nX: " + b"a" * 1000:
                talk.writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert (await talk.answer()).status == 408
        dripping.cancel()


async def test_a_handshake_in_drops_times_out(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=Limits(header_seconds=0.3)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500
        with contextlib.suppress(OSError):
            for byte in hello[:60]:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        await soon(lambda: server.server.connections == 0, "the connection to be gone")


async def test_a_pipeline_waits_at_its_client(tmp_path: Path) -> None:
    """While one request is in hand, no more than one read's worth of the next is taken."""
    gate = asyncio.Event()

    async def handle(request: Request) -> Response:
        await gate.wait()
        return await who(request)

    async with serving(tmp_path, handle) as server, server.talk() as talk:
        talk.send("GET /0 HTTP/1.1")
        many = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200_000
        talk.writer.write(many)
        (connection,) = await soon(lambda: tuple(server.server._open), "the connection")
        await soon(lambda: connection._held_back, "the client to be held back")
        taken = len(connection._parser.ready)
        assert taken < 10_000
        await asyncio.sleep(0.05)
        assert len(connection._parser.ready) == taken
        gate.set()
        talk.writer.transport.abort()


# What strangers invent is not kept


def size_of(cache: dict[Any, Any]) -> int:
    return sum(sys.getsizeof(part) for key in cache for part in (key if isinstance(key, tuple) else (key,)))


async def test_long_names_are_not_remembered() -> None:
    router, long = Router(Registry(builtin_resources())), "a" * 10_000
    authorizer = Authorizer(MemoryStore(), lambda *_: None)
    for number in range(500):
        invented = f"{long}{number}"
        router.route(Request("GET", f"/api/v1/namespaces/{invented}/configmaps"))
        router.route(Request("GET", "/api/v1/configmaps", {"watch": invented}))
        authorizer.authorize(ANONYMOUS, Attributes("get", path=f"/{invented}"))
        authorizer.authorize(ANONYMOUS, Attributes("get", resource="configmaps", namespace=invented))
        authorizer.authorize(ANONYMOUS, Attributes("get", group=invented, resource=invented))
    kept = size_of(router._known) + size_of(authorizer._decisions._values) + size_of(authorizer._held._values)
    assert kept < 100_000
    assert memo.SHORT * authorizing.MEMO < authorizing.KEPT <= 16 * 1024 * 1024


def test_long_headers_and_values_are_not_remembered() -> None:
    for number in range(500):
        parser = made_parser(0)
        parser.feed(b"GET / HTTP/1.1\r\n%b%d: a\r\n\r\n" % (b"X" * 10_000, number))
        wire.head(200, {"warning": f"{number}{'a' * 10_000}"}, close=False)
    assert size_of(parsing._names) < 1_000_000 and size_of(wire._heads) < 1_000_000
    assert max(map(len, parsing._names)) <= 64
    before = formats._is_label_value.cache_info().currsize, formats._is_qualified.cache_info().currsize
    for number in range(50):
        text = f"{'a' * 100_000}{number}"
        assert not formats.is_label_value(text) and not formats.is_qualified(text) and not formats.is_config_key(text)
    assert before == (formats._is_label_value.cache_info().currsize, formats._is_qualified.cache_info().currsize)


# A full table of descriptors


class _Full:
    """A listening socket at which accept(2) fails for a while."""

    def __init__(self, sock: socket.socket, failures: list[int]) -> None:
        self._sock, self._failures = sock, failures
        self.tries = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.tries += 1
        if self._failures:
            raise OSError(self._failures.pop(0), "no")
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


async def test_a_full_table_is_told_once_and_waited_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PAUSE_SECONDS", 0.01)
    (sock,) = await listen("127.0.0.1", 0)
    full = _Full(sock, [errno.EMFILE] * 20 + [errno.ECONNABORTED])
    let_in: list[asyncio.Protocol] = []

    def protocol() -> asyncio.Protocol:
        let_in.append(asyncio.Protocol())
        return let_in[-1]

    accepting = Listener([full], protocol)  # type: ignore[list-item]
    with caplog.at_level(logging.ERROR):
        reader, writer = await asyncio.open_connection("127.0.0.1", accepting.port)
        await soon(lambda: let_in, "the one who waits to be let in")
        writer.close()
    accepting.close()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["connections can't be accepted; they wait: Too many open files"]
    assert full.tries < 30
    assert reader is not None


def test_many_alike_are_told_seldom() -> None:
    seldom = Seldom(10.0)
    assert [seldom.count(now) for now in (0.0, 1.0, 9.9, 10.0, 11.0, 25.0)] == [1, 0, 0, 3, 0, 2]


def test_clients_do_not_take_the_last_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))
    fitted = _fitting(Limits())
    assert (fitted.connections, fitted.connections_per_address) == (704, 704)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1_000_000))
    assert _fitting(Limits()) == Limits()
    assert limits[-1] == (5_000 + 64 + 256, 1_000_000)


async def test_it_listens_where_it_is_told() -> None:
    for host, families in (("127.0.0.1", 1), ("0.0.0.0", 1), ("", 2), ("::1", 1)):
        try:
            sockets = await listen(host, 0)
        except OSError:
            assert ":" in host or not host, f"{host} is of IPv4"
            continue
        assert len({sock.getsockname()[1] for sock in sockets}) == 1 and len(sockets) <= families
        for sock in sockets:
            sock.close()
    (taken,) = await listen("127.0.0.1", 0)
    with pytest.raises(OSError, match=r"127\.0\.0\.1 port"):
        await listen("127.0.0.1", taken.getsockname()[1])
    taken.close()


# Hostile servers


@contextlib.asynccontextmanager
async def answering(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[Client, list[int]]]:
    """A client of a server that sends pieces for ever, and how many bytes it has sent."""
    sent = [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            async for piece in pieces:
                writer.write(piece)
                await writer.drain()
                sent[0] += len(piece)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with Client(Config(f"http://127.0.0.1:{port}")) as client:
            yield client, sent
    finally:
        server.close()


async def forever(begin: bytes, piece: bytes) -> AsyncIterator[bytes]:
    yield begin
    while True:
        yield piece


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"a" * PIECE),
        (b"HTTP/1.1 200 ", b"a" * PIECE),
        (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a" * PIECE),
    ],
)
async def test_an_answers_head_has_an_end(begin: bytes, piece: bytes) -> None:
    async with answering(forever(begin, piece)) as (client, _):
        with pytest.raises(Unreachable, match=r"more than 65536 bytes|is not HTTP"):
            await client.raw("GET", "/version")


async def test_a_watchs_head_has_an_end() -> None:
    async with answering(forever(b"HTTP/1.1 200 OK\r\nX: ", b"a" * PIECE)) as (client, _):
        with pytest.raises(Unreachable, match="more than 65536 bytes"):
            await anext(client.watch(SERVER, resource_version="1"))


async def test_an_answer_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BODY", 1_000_000)
    async with answering(forever(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"a" * PIECE)) as (client, _):
        with pytest.raises(Unreachable, match="more than 1000000 bytes"):
            await client.raw("GET", "/version")
