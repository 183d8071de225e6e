"""A way to a server on which connections are lost where a test wants it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

PIECE = 4096


@dataclass(frozen=True)
class Cut:
    """A connection is lost once it has brought so many bytes of requests, and then so many of answers; None: at once."""

    requests: int
    answers: int | None


IN_THE_REQUEST = Cut(10_000, None)
BEFORE_THE_ANSWER = Cut(10_000, 0)
IN_THE_ANSWER = Cut(10_000, 10_000)


class Cutting:
    """On loopback; leads to one port. `cuts` are the connections to be lost still, the next first; `lost` those that
    were."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.port = 0
        self.cuts: list[Cut] = []
        self.lost = 0
        self._ends: set[asyncio.StreamWriter] = set()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection."""
        there, back = await asyncio.open_connection("127.0.0.1", self.to)
        self._ends |= {writer, back}
        asked = answered = 0

        async def out() -> None:
            nonlocal asked, answered
            while data := await reader.read(PIECE):
                back.write(data)
                await back.drain()
                asked, answered = asked + len(data), 0
                if self.cuts and asked >= self.cuts[0].requests and self.cuts[0].answers is None:
                    lose()

        async def home() -> None:
            nonlocal answered
            while data := await there.read(PIECE):
                answered += len(data)
                cut = self.cuts[0] if self.cuts else None
                if cut and cut.answers is not None and asked >= cut.requests and answered > cut.answers:
                    lose()
                writer.write(data)
                await writer.drain()

        def lose() -> None:
            self.cuts.pop(0)
            self.lost += 1
            raise ConnectionAbortedError

        carrying = [asyncio.create_task(out()), asyncio.create_task(home())]
        await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
        for one in carrying:
            one.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
        for end in (writer, back):
            end.transport.abort()
        self._ends -= {writer, back}

    def close(self) -> None:
        """Ends all connections."""
        for end in self._ends:
            end.transport.abort()


@contextlib.asynccontextmanager
async def cutting(to: int) -> AsyncIterator[Cutting]:
    """Runs one."""
    made = Cutting(to)
    server = await asyncio.start_server(made.meet, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.close()
