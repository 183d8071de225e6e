"""The wire: malformed input, limits, pipelines, certificates and tokens."""

import asyncio
import json
import ssl
from typing import Any

import pytest
from tests.integration.conftest import Wire

from starlink.api.kinds import NAMESPACE, SERVICE_ACCOUNT, TASK
from starlink.apiserver.http import MAX_BODY
from starlink.client.errors import Forbidden, NotFound, Unauthorized, Unreachable
from starlink.client.kube import Client


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
    b"GET / HTTP/1.1\r\nBroken Header\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
    b"\x16\x03\x01\x00\xff\r\n\r\n",
])  # fmt: skip
async def test_malformed_requests_get_a_status(wire: Wire, sent: bytes) -> None:
    answer = await talk(wire, sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert (body(answer)["kind"], body(answer)["code"]) == ("Status", 400)


async def test_headers_and_bodies_have_limits(wire: Wire) -> None:
    answer = await talk(wire, b"GET /version HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4")
    head = f"POST /api/v1/namespaces HTTP/1.1\r\nConnection: close\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
    answer = await talk(wire, head.encode() + b" " * (MAX_BODY + 1))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    paths = ["/healthz", "/version", "/nothing", "/readyz"]
    sent = (
        "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths)
        + "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n"
    )
    answer = await talk(wire, sent.encode())
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 200, 404, 200, 200]


async def test_expect_continue_and_chunks(wire: Wire) -> None:
    sent = b"POST /version HTTP/1.1\r\nConnection: close\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
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


async def test_a_wrong_authority_is_not_trusted(wire: Wire, tmp_path: Any) -> None:
    import datetime

    from starlink.apiserver.pki import Pki
    from starlink.client.config import Config

    other = Pki(tmp_path, datetime.datetime.now(datetime.UTC))
    certificate, key = other.client("admin", ["system:masters"])
    config = Config(
        f"https://127.0.0.1:{wire.port}", wire.pki.ca.read_bytes(), certificate.read_bytes(), key.read_bytes()
    )
    async with Client(config) as forger:
        with pytest.raises(Unreachable):
            await forger.list(TASK)


async def test_requests_that_find_nothing(client: Client) -> None:
    with pytest.raises(NotFound):
        await client.get(TASK, "none", "default")
