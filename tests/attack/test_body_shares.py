"""What bodies take is shared: nobody, and nobody's many connections, keep others from sending theirs."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import soon
from tests.integration.apiserver.serving import Pair, Serving, Talk, serving, who
from tests.integration.conftest import Core, Wire

from starlink.api.errors import StatusError
from starlink.client.kube import Client
from starlink.http.limits import Limits
from starlink.http.message import OPERATOR, Request, Response, User

MAPS = "/api/v1/namespaces/default/configmaps"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/starlink-servers/leases/s1"
LARGE = Limits().body
SMALL = 1_000


def bodies(server: Serving) -> Any:
    service = server.server._service
    assert service is not None
    return service.bodies


@contextlib.asynccontextmanager
async def withheld(server: Serving, count: int, certificate: Pair | None = None) -> AsyncIterator[list[Talk]]:
    """So many connections that each send all but the last byte of a large body, one after another."""
    async with contextlib.AsyncExitStack() as stack:
        talks = [await stack.enter_async_context(server.talk(certificate)) for _ in range(count)]
        for talk in talks:
            talk.send(f"POST {MAPS} HTTP/1.1", f"Content-Length: {LARGE}")
            talk.writer.write(b" " * (LARGE - 1))
            with contextlib.suppress(ConnectionError):
                await talk.writer.drain()
        yield talks


async def write(server: Serving, user: Pair, path: str = MAPS, size: int = SMALL) -> int:
    async with server.talk(user) as talk:
        return (await talk.ask(f"POST {path} HTTP/1.1", body=b" " * size)).status


async def test_strangers_take_nothing_of_others(tmp_path: Path) -> None:
    limits = Limits(bodies=4 * LARGE, bodies_strangers=4 * LARGE)
    async with serving(tmp_path, limits=limits) as server, withheld(server, 12):
        jane = server.pki.client("jane")
        await soon(lambda: bodies(server).taken_by_strangers > LARGE / 2, "the strangers' bodies")
        assert bodies(server).taken_by_strangers <= LARGE
        assert bodies(server).taken == 0
        assert await write(server, jane, size=LARGE) == 200


async def test_one_account_takes_no_more_than_its_share(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=Limits(bodies=8 * LARGE)) as server:
        jane, joe = server.pki.client("jane"), server.pki.client("joe")
        async with withheld(server, 12, jane):
            await soon(lambda: bodies(server).taken == 2 * (LARGE - 1), "the share to be taken")
            assert await write(server, joe, size=LARGE) == 200
            assert await write(server, jane, size=SMALL) == 200, "small ones have a reserve"


async def test_small_bodies_and_control_have_room_when_all_is_taken(tmp_path: Path) -> None:
    """Five accounts together take everything."""
    limits = Limits(bodies=4 * LARGE, bodies_control=8 * LARGE)
    async with serving(tmp_path, limits=limits) as server, contextlib.AsyncExitStack() as stack:
        for number in range(5):
            user = server.pki.client(f"user{number}")
            await stack.enter_async_context(withheld(server, 2, user))
        await soon(lambda: bodies(server).taken == 4 * (LARGE - 1), "all to be taken")
        agent, operator, jane = server.pki.client("agent"), server.pki.client(OPERATOR), server.pki.client("jane")
        assert await write(server, jane, size=LARGE) == 429
        assert await write(server, jane, size=SMALL) == 200
        assert await write(server, agent, LEASE) == 200
        assert await write(server, operator, size=LARGE) == 200


async def test_what_is_taken_is_given_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        jane = server.pki.client("jane")
        async with withheld(server, 3, jane) as talks:
            await soon(lambda: bodies(server).taken == 3 * (LARGE - 1), "the bodies")
            talks[0].writer.write(b" ")
            assert (await talks[0].answer()).status == 200
            await soon(lambda: bodies(server).taken == 2 * (LARGE - 1), "the first to be given back")
        await soon(lambda: bodies(server).taken == 0, "all to be given back")
        assert await write(server, jane) == 200
        async with server.talk() as talk:
            assert (await talk.ask("POST / HTTP/1.1", body=b"{}")).status == 200
        await soon(lambda: bodies(server).taken + bodies(server).taken_by_strangers == 0, "all to be given back")


async def test_a_body_that_makes_no_progress_gives_up_its_share(tmp_path: Path) -> None:
    """Long before the whole request has to be there. One that comes slowly but comes is taken."""
    limits = Limits(body_seconds=0.3, request_seconds=600)
    async with serving(tmp_path, limits=limits) as server:
        jane = server.pki.client("jane")
        async with withheld(server, 2, jane) as talks:
            for talk in talks:
                answer = await talk.answer()
                assert (answer.status, answer.json["reason"]) == (408, "Timeout")
            assert bodies(server).taken == 0, "at once, not when the connection is gone"
        assert await write(server, jane, size=LARGE) == 200


async def test_a_body_behind_a_request_in_hand_is_not_read(tmp_path: Path) -> None:
    async def handle(request: Request) -> Response:
        await asyncio.Event().wait()
        return await who(request)

    async with serving(tmp_path, handle) as server, server.talk(server.pki.client("jane")) as talk:
        talk.send("GET / HTTP/1.1")
        talk.send(f"POST {MAPS} HTTP/1.1", f"Content-Length: {LARGE}")
        talk.writer.write(b" " * (LARGE - 1))
        (connection,) = await soon(lambda: tuple(server.server._open), "the connection")
        await soon(lambda: connection._held_back, "the client to be held back")
        assert bodies(server).taken <= 128 * 1024


# Whose body is not read at all


@pytest.mark.parametrize("framing", [f"Content-Length: {LARGE}", "Transfer-Encoding: chunked"])
async def test_bad_credentials_are_refused_before_the_body(tmp_path: Path, framing: str) -> None:
    async with serving(tmp_path) as server, server.talk() as talk:
        answer = await talk.ask(f"POST {MAPS} HTTP/1.1", framing, "Authorization: Bearer a.b.c")
        assert (answer.status, answer.headers["connection"]) == (401, "close")


async def test_bad_credentials_of_a_small_body_keep_the_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.talk() as talk:
        for _ in range(3):
            answer = await talk.ask(f"POST {MAPS} HTTP/1.1", "Authorization: Bearer a.b.c", body=b"{}")
            assert answer.status == 401 and "connection" not in answer.headers


@pytest.mark.parametrize("path", [MAPS, "/apis/example.org/v1/nothings", "/nothing"])
async def test_strangers_are_refused_before_the_body(wire: Wire, path: str) -> None:
    """The server answers though not one byte of the body comes."""
    context = ssl.create_default_context(cafile=str(wire.pki.ca))
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port, ssl=context)
    talk = Talk(reader, writer)
    answer = await talk.ask(f"POST {path} HTTP/1.1", f"Content-Length: {LARGE}")
    assert (answer.status, answer.json["reason"]) == (403, "Forbidden")
    writer.transport.abort()


async def test_a_large_body_of_who_may_send_it_is_taken(client: Client) -> None:
    obj = {"metadata": {"name": "x"}, "data": {"a": "v" * 900_000}}
    made = await client.raw("POST", MAPS, body=obj)
    assert b'"uid"' in made


AGENT = User("system:serviceaccount:starlink-servers:s1", ("system:authenticated",))
SERVERS = "/apis/starlink.dev/v1alpha1/servers"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", MAPS, 403),
        ("PATCH", f"{SERVERS}/s2/status", 403),
        ("POST", SERVERS, None),  # its right is the name in the body
        ("PATCH", f"{SERVERS}/s1/status", None),
        ("PATCH", "/apis/starlink.dev/v1alpha1/namespaces/default/assignments/x/status", 404),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", None),
    ],
)
async def test_what_is_certain_without_the_body(core: Core, method: str, path: str, code: int | None) -> None:
    refusal = core.api.precheck(Request(method, path, user=AGENT))
    assert (refusal.code if isinstance(refusal, StatusError) else None) == code
