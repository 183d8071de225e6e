"""The client's HTTP against servers that do as a test says: kept connections, dead ones, silent ones, odd ones."""

import asyncio
import dataclasses
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.conftest import soon
from tests.integration.conftest import Wire

from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.config import Config
from starlink.client.connection import Answer
from starlink.client.errors import Unreachable
from starlink.client.http import Http

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(serve: Serve, connections: int = 8) -> AsyncIterator[Http]:
    """A client of a server that does this with each connection."""
    writers: list[asyncio.StreamWriter] = []

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await serve(reader, writer)

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    http = Http(Config(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), connections)
    yield http
    http.close()
    server.close()
    for writer in writers:
        writer.close()


async def get(http: Http, path: str = "/", seconds: float = 20.0) -> Answer:
    return await http.request("GET", path, {}, {}, b"", seconds)


async def asked(reader: asyncio.StreamReader) -> str:
    """The path of the next request, which has no body; "" at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return ""
    return head.split(b" ")[1].decode()


def answer(body: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


async def test_many_requests_share_few_connections() -> None:
    met = 0

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        while path := await asked(reader):
            writer.write(answer(path))

    async with served(echo, connections=3) as http:
        answers = await asyncio.gather(*(get(http, f"/{number}") for number in range(100)))
    assert [one.body.decode() for one in answers] == [f"/{number}" for number in range(100)]
    assert met <= 3


async def test_a_kept_connection_that_has_died_costs_no_request() -> None:
    met = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        path = await asked(reader)
        writer.write(answer(path))
        await asked(reader)  # is read, and never answered
        writer.close()

    async with served(once) as http:
        assert (await get(http, "/first")).body == b"/first"
        assert (await get(http, "/second")).body == b"/second"
    assert met == 2


async def test_a_new_connection_that_breaks_is_told_of() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.close()

    async with served(rude) as http:
        with pytest.raises(Unreachable, match="the connection broke"):
            await get(http)


async def test_silence_ends_and_its_connection_is_not_used_again() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = await asked(reader)
        if path != "/silent":
            writer.write(answer(path))

    async with served(silent, connections=1) as http:
        with pytest.raises(Unreachable, match=r"did not answer within 0\.05 s"):
            await get(http, "/silent", seconds=0.05)
        assert (await get(http, "/next")).body == b"/next"


async def test_what_is_given_up_is_not_sent_later() -> None:
    went_on, ends = asyncio.Event(), asyncio.Queue[str]()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await went_on.wait()
        try:
            while await reader.read(65536):
                pass
        except ConnectionResetError:
            ends.put_nowait("thrown away")
        else:
            ends.put_nowait("sent")

    async with served(deaf) as http:
        with pytest.raises(Unreachable):
            await http.request("PUT", "/", {}, {}, bytes(64 * 1024 * 1024), 0.5)
        went_on.set()
        assert await asyncio.wait_for(ends.get(), 30) == "thrown away"


async def test_where_one_gives_no_answer_no_other_is_relied_on() -> None:
    met = 0
    mute = asyncio.Event()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        old = met <= 3
        while path := await asked(reader):
            if old and mute.is_set():
                return
            if path == "/first":
                await soon(lambda: met == 3, "all are there")
            writer.write(answer(path))

    async with served(answers) as http:
        await asyncio.gather(*(get(http, "/first") for _ in range(3)))
        mute.set()
        with pytest.raises(Unreachable):
            await get(http, "/lost", 0.5)
        assert (await get(http, "/found")).body == b"/found"


async def test_who_waits_for_a_connection_waits_no_longer_than_said() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)

    async with served(silent, connections=1) as http:
        first = asyncio.create_task(get(http))
        with pytest.raises(Unreachable, match="did not answer"):
            await get(http, seconds=0.05)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_a_request_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    seen: list[str] = []

    async def picky(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while path := await asked(reader):
            seen.append(path)
            if path != "/unwanted":
                writer.write(answer(path))

    async with served(picky, connections=1) as http:
        unwanted = asyncio.create_task(get(http, "/unwanted"))
        await soon(lambda: seen, "the request is there")
        unwanted.cancel()
        assert (await get(http, "/wanted")).body == b"/wanted"
        assert unwanted.cancelled()


async def test_what_nobody_asked_for_is_nobodys_answer() -> None:
    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while path := await asked(reader):
            writer.write(answer(path) + answer("/more"))

    async with served(talkative, connections=1) as http:
        assert [(await get(http, path)).body for path in ("/a", "/b")] == [b"/a", b"/b"]


async def test_what_is_not_http_is_told_of() -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(b"SSH-2.0-OpenSSH\r\n")

    async with served(odd) as http:
        with pytest.raises(Unreachable, match="is not HTTP"):
            await get(http)


async def test_a_body_that_ends_early_is_no_answer() -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(answer("all of it")[:-3])
        writer.close()

    async with served(short) as http:
        with pytest.raises(Unreachable, match="broke"):
            await get(http)


async def test_a_provisional_answer_is_passed_over() -> None:
    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while path := await asked(reader):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(path))

    async with served(patient) as http:
        assert [(await get(http, path)).body for path in ("/a", "/b")] == [b"/a", b"/b"]


async def test_a_stream_is_read_to_its_end_at_the_readers_pace() -> None:
    pieces = 400

    async def long(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(pieces):
            writer.write(b"4000\r\n%b\r\n" % (b"x" * 0x4000))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with served(long) as http, http.stream("/", {}, {}, 20.0) as (status, parts):
        size = 0
        while part := await parts.take():
            size += len(part)
            await asyncio.sleep(0)
    assert (status, size) == (200, pieces * 0x4000)


async def test_a_server_of_another_authority_is_not_spoken_to(wire: Wire, tmp_path: Path) -> None:
    other = Pki(tmp_path / "pki", datetime.datetime.now(datetime.UTC))
    other.client("anybody", [])  # which makes the authority
    config = wire.config()
    stranger, friend = Http(dataclasses.replace(config, ca=other.ca.read_bytes())), Http(config)
    with pytest.raises(Unreachable, match="certificate verify failed"):
        await get(stranger, "/readyz")
    assert (await get(friend, "/readyz")).status == 200
    friend.close()
