"""What protects the server: sizes, times, counts and turns, over a real wire."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import soon
from tests.integration.apiserver.serving import Talk, serving

from starlink.http.limits import Limits
from starlink.http.message import Request, Response, Stream


async def forever(request: Request) -> Response | Stream:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"{}\n"
        await asyncio.Event().wait()

    return Stream(chunks(), {"content-type": "application/json"})


async def test_bodies_have_a_limit(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        most = Limits().body
        async with server.talk() as talk:
            assert (await talk.ask("POST / HTTP/1.1", body=b" " * most)).json["size"] == most
            answer = await talk.ask("POST / HTTP/1.1", f"Content-Length: {most + 1}")
            assert (answer.status, answer.json["reason"]) == (413, "RequestEntityTooLarge")
            assert answer.headers["connection"] == "close"
        async with server.talk() as talk:
            talk.send("POST / HTTP/1.1", "Transfer-Encoding: chunked")
            for _ in range(4):
                talk.writer.write(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
            assert (await talk.answer()).status == 413


@pytest.mark.parametrize(
    "headers", [["X: " + "a" * 70_000], [f"X{n}: a" for n in range(2_000)], ["X: " + "a" * 999_999]]
)
async def test_headers_have_a_limit(tmp_path: Path, headers: list[str]) -> None:
    async with serving(tmp_path) as server:
        answer = await server.ask(None, *headers)
        assert (answer.status, answer.json["reason"]) == (431, "RequestHeaderFieldsTooLarge")


async def test_large_bodies_together_have_a_limit(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=Limits(bodies=4_000_000)) as server, contextlib.AsyncExitStack() as stack:
        jane, joe = server.pki.client("jane"), server.pki.client("joe")
        half = await stack.enter_async_context(server.talk(jane))
        half.send("POST / HTTP/1.1", "Content-Length: 900000")
        half.writer.write(b" " * 800_000)
        await soon(lambda: server.server._service.bodies.taken == 800_000, "the half body to arrive")  # type: ignore[union-attr]
        async with server.talk(jane) as talk:
            answer = await talk.ask("POST / HTTP/1.1", body=b" " * 300_000)
            assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        async with server.talk(joe) as talk:
            assert (await talk.ask("POST / HTTP/1.1", body=b" " * 300_000)).status == 200
        half.writer.write(b" " * 100_000)
        assert (await half.answer()).json["size"] == 900_000
        async with server.talk(jane) as talk:
            assert (await talk.ask("POST / HTTP/1.1", body=b" " * 300_000)).status == 200


@pytest.mark.parametrize(
    "begun", ["GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"]
)
async def test_a_request_that_does_not_end_times_out(tmp_path: Path, begun: str) -> None:
    async with serving(tmp_path, limits=Limits(request_seconds=0.2)) as server, server.talk() as talk:
        assert (await talk.ask()).status == 200
        talk.writer.write(begun.encode())
        answer = await talk.answer()
        assert (answer.status, answer.json["reason"]) == (408, "Timeout")
        assert await talk.rest() == b""


async def test_silent_clients_are_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=Limits(header_seconds=0.2, idle_seconds=0.2)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        async with server.talk() as silent:
            assert await silent.rest() == b""
        async with server.talk() as talk:
            assert (await talk.ask()).status == 200
            assert await talk.rest() == b""
        await soon(lambda: server.server.connections == 0, "all connections to be gone")


async def test_connections_have_a_limit(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=Limits(connections=2, connections_refused=1)) as server:
        async with server.talk() as one, server.talk() as two:
            assert (await one.ask()).status == 200
            assert (await two.ask()).status == 200
            async with server.talk() as three:
                with pytest.raises((ConnectionError, OSError)):
                    async with server.talk():
                        pass
                answer = await three.ask()
                assert (answer.status, answer.json["reason"]) == (429, "TooManyRequests")
                assert answer.headers["retry-after"] == "1"
                assert await three.rest() == b""
        await soon(lambda: server.server.connections == 0, "all connections to be gone")
        assert (await server.ask()).status == 200


async def test_one_address_does_not_take_all_connections(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=Limits(connections_per_address=1)) as server, server.talk() as one:
        assert (await one.ask()).status == 200
        assert (await server.ask()).status == 429


async def test_streams_have_a_limit_for_each_user(tmp_path: Path) -> None:
    async with serving(tmp_path, forever, Limits(streams_per_user=1)) as server:
        jane, joe = server.pki.client("jane"), server.pki.client("joe")
        async with server.talk(jane) as first, server.talk(jane) as second, server.talk(joe) as other:
            assert (await first.ask()).status == 200
            refused = await second.ask()
            assert (refused.status, refused.headers["retry-after"]) == (429, "5")
            assert (await other.ask()).status == 200
            assert server.server.streams == 2
        await soon(lambda: server.server.streams == 0, "the streams to end")


async def test_a_user_that_floods_does_not_starve_another(tmp_path: Path) -> None:
    gate, handled = asyncio.Event(), []

    async def handle(request: Request) -> Response:
        handled.append(request.user.name)
        if request.path == "/wait":
            await gate.wait()
        return Response(200, b"{}", {"content-type": "application/json"})

    limits = Limits(handled=8, handled_per_user=4, queued_per_user=10)
    async with serving(tmp_path, handle, limits) as server, contextlib.AsyncExitStack() as stack:
        jane, joe = server.pki.client("jane"), server.pki.client("joe")
        flood = [await stack.enter_async_context(server.talk(jane)) for _ in range(20)]
        for count, talk in enumerate(flood):
            if count == 4:
                await soon(lambda: len(handled) == 4, "as many as may to be handled")
            talk.send("GET /wait HTTP/1.1")
        refused = await _answered(flood, 6)
        assert [answer for answer in refused if answer != 429] == []
        async with server.talk(joe) as calm:
            assert (await calm.ask("GET /now HTTP/1.1")).status == 200
        assert handled.count("jane") == 4
        gate.set()
        assert await _answered(flood, 14) == [200] * 14


async def _answered(talks: list[Talk], count: int) -> list[int]:
    """The first answers on any of the connections, which are then no longer among them."""
    waiting = {asyncio.create_task(talk.answer()): talk for talk in talks}
    statuses: list[int] = []
    while len(statuses) < count:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        assert done, f"only {len(statuses)} answers came"
        for task in done:
            talks.remove(waiting.pop(task))
            statuses.append(task.result().status)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return statuses


async def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    made, ended = 0, asyncio.Event()

    async def handle(request: Request) -> Stream:
        async def chunks() -> AsyncIterator[bytes]:
            nonlocal made
            try:
                while True:
                    made += 1
                    yield b"x" * 60_000
            finally:
                ended.set()

        return Stream(chunks(), {"content-type": "application/json"})

    async with serving(tmp_path, handle, Limits(stalled_seconds=0.3)) as server, server.talk() as talk:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        talk.send("GET / HTTP/1.1")
        async with asyncio.timeout(20):
            await ended.wait()
        assert made * 60_000 < 16 * 1024 * 1024, "no more than the system's own buffers take"
        await soon(lambda: server.server.connections == 0, "the connection to be gone")


async def test_a_large_answer_waits_for_a_slow_client(tmp_path: Path) -> None:
    body = b"y" * 20_000_000

    async def handle(request: Request) -> Response:
        return Response(200, body, {"content-type": "text/plain"})

    async with serving(tmp_path, handle) as server, server.talk() as talk:
        talk.send("GET / HTTP/1.1")
        talk.send("GET / HTTP/1.1", "Connection: close")
        for closes in (None, "close"):
            answer = await talk.answer()
            assert len(answer.body) == len(body)
            assert answer.headers.get("connection") == closes
        assert await talk.rest() == b""
