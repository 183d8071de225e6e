"""The wire: malformed input, limits, pipelines, certificates and tokens."""

import asyncio
import datetime
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.apiserver.serving import serving
from tests.integration.conftest import Wire

from starlink.api.kinds import NAMESPACE, SERVICE_ACCOUNT, TASK
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.config import Config
from starlink.client.errors import Forbidden, NotFound, Unauthorized
from starlink.client.kube import Client
from starlink.http.limits import Limits
from starlink.http.message import Request, Response, Stream

MAX_BODY = Limits().body


async def talk(wire: Wire, sent: bytes, *, until_close: bool = True) -> bytes:
    context = ssl.create_default_context(cadata=wire.pki.ca.read_text())
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port, ssl=context)
    writer.write(sent)
    async with asyncio.timeout(10):
        answer = await reader.read() if until_close else await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer


def body(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("sent", [
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nBroken Header\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    b"\x16\x03\x01\x00\xff\r\n\r\n",
])  # fmt: skip
async def test_malformed_requests_get_a_status(wire: Wire, sent: bytes) -> None:
    answer = await talk(wire, sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert (body(answer)["kind"], body(answer)["code"]) == ("Status", 400)


async def test_headers_and_bodies_have_limits(wire: Wire) -> None:
    answer = await talk(wire, b"GET /version HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4")
    head = f"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
    answer = await talk(wire, head.encode() + b" " * (MAX_BODY + 1))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    paths = ["/healthz", "/version", "/nothing", "/readyz"]
    sent = (
        "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths)
        + "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    answer = await talk(wire, sent.encode())
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 200, 403, 200, 200]


async def test_expect_continue_and_chunks(wire: Wire) -> None:
    sent = b"POST /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    answer = await talk(wire, sent)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 ")


async def test_who_is_who(wire: Wire, client: Client) -> None:
    await client.create(SERVICE_ACCOUNT, {"metadata": {"name": "s1"}}, "starlink-servers")
    token, _ = await client.request_token("starlink-servers", "s1", 600)
    async with Client(wire.config(token=token)) as agent:
        assert (await agent.get(NAMESPACE, "kube-system"))["kind"] == "Namespace"
        with pytest.raises(Forbidden, match="system:serviceaccount:starlink-servers:s1"):
            await agent.list(TASK)
        await client.delete(SERVICE_ACCOUNT, "s1", "starlink-servers")
        with pytest.raises(Unauthorized, match="is gone"):
            await agent.get(NAMESPACE, "kube-system")
    async with Client(wire.config(token="made.up.token")) as stranger:
        with pytest.raises(Unauthorized, match="invalid bearer token"):
            await stranger.list(TASK)
    async with Client(wire.config("somebody", ())) as nobody:
        with pytest.raises(Forbidden, match='User "somebody"'):
            await nobody.list(TASK)


async def test_a_wrong_authority_is_not_trusted(wire: Wire, tmp_path: Path) -> None:
    other = Pki(tmp_path, datetime.datetime.now(datetime.UTC))
    certificate, key = other.client("admin", ["system:masters"])
    config = Config(
        f"https://127.0.0.1:{wire.port}", wire.pki.ca.read_bytes(), certificate.read_bytes(), key.read_bytes()
    )
    async with Client(config) as forger:
        with pytest.raises(Unauthorized, match="x509: certificate signed by unknown authority"):
            await forger.list(TASK)


async def test_an_answer_to_head_has_no_body(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.talk() as talk:
        got, head = await talk.ask(), await talk.ask("HEAD / HTTP/1.1")
        assert head.headers["content-length"] == str(len(got.body) + 1)  # it says HEAD, not GET
        assert "date" in head.headers
        assert (await talk.ask()).status == 200


async def test_the_connection_is_kept_or_closed_as_asked(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        for head, header, closes in (
            ("GET / HTTP/1.1", "X: y", False),
            ("GET / HTTP/1.1", "Connection: close", True),
            ("GET / HTTP/1.0", "X: y", True),
        ):
            async with server.talk() as talk:
                answer = await talk.ask(head, header)
                assert (answer.headers.get("connection") == "close") is closes
                if closes:
                    assert await talk.rest() == b""


async def test_a_client_that_waits_for_100_gets_it_before_its_body(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.talk() as talk:
        talk.send("POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 5")
        assert (await talk.answer()).status == 100
        talk.writer.write(b"hello")
        assert (await talk.answer()).json["size"] == 5


async def test_a_stream_comes_in_chunks_and_ends_with_the_server(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one\n"
        yield b""
        yield b"two\n"
        await asyncio.Event().wait()

    async def handle(request: Request) -> Stream:
        return Stream(chunks(), {"content-type": "application/json"})

    async with serving(tmp_path, handle) as server, server.talk() as talk, server.talk() as old:
        talk.send("GET / HTTP/1.1")
        old.send("GET / HTTP/1.0")
        answer = await talk.answer()
        assert answer.headers["transfer-encoding"] == "chunked"
        assert await talk.reader.readexactly(18) == b"4\r\none\n\r\n4\r\ntwo\n\r\n"
        assert "transfer-encoding" not in (await old.answer()).headers
        assert await old.reader.readexactly(8) == b"one\ntwo\n"
        await server.server.stop()
        assert await talk.rest() == b"0\r\n\r\n"


async def test_a_handler_that_fails_gives_a_status_without_a_trace(tmp_path: Path) -> None:
    async def handle(request: Request) -> Response:
        await asyncio.sleep(0)
        raise RuntimeError("a secret")

    async with serving(tmp_path, handle) as server, server.talk() as talk:
        answer = await talk.ask()
        assert (answer.status, answer.json["reason"]) == (500, "InternalError")
        assert b"secret" not in answer.body
        assert (await talk.ask()).status == 500


async def test_a_client_that_leaves_ends_its_request(tmp_path: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Response(200)

    async with serving(tmp_path, handle) as server:
        async with server.talk() as talk:
            talk.send("GET / HTTP/1.1")
            await begun.wait()
        async with asyncio.timeout(10):
            await ended.wait()


async def test_requests_are_logged_without_what_is_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "starlink.apiserver.requests")
    async with serving(tmp_path) as server:
        token, _ = server.tokens.issue("agents", "a", "1", 600, time.time())
        await server.ask(None, f"Authorization: Bearer {token}", head="GET /api?x=secret HTTP/1.1")
    (said,) = [record.__dict__ for record in caplog.records if record.message == "request"]
    assert (said["method"], said["path"], said["status"], said["remote"]) == ("GET", "/api", 200, "127.0.0.1")
    assert said["user"] == "system:serviceaccount:agents:a"
    assert said["ms"] >= 0
    assert token not in str(said)
    assert "secret" not in str(said)


async def test_requests_that_find_nothing(client: Client) -> None:
    with pytest.raises(NotFound):
        await client.get(TASK, "none", "default")
