"""A loopback proxy that loses what a test wants lost."""

import asyncio
import contextlib


class Proxy:
    """A way to one port that can be held up or cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.requests = asyncio.Event()
        self.answers = asyncio.Event()
        self.held = b""
        """What waits here, or has waited."""
        self.open = True
        self.endpoint = ""

    async def __aenter__(self) -> "Proxy":
        self.requests.set()
        self.answers.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.endpoint = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        """Ends every connection, with what is held up in it, and lets no new ones through."""
        self.open = False
        for pump in self._pumps:
            pump.cancel()
        for writer in self._writers:
            writer.transport.abort()
        self._pumps.clear()
        self._writers.clear()

    def strand(self) -> None:
        """The connections that there are bring nothing any more and do not end; new ones go through."""
        self.requests.clear()
        self.answers.clear()
        self.requests, self.answers = asyncio.Event(), asyncio.Event()
        self.heal()

    def heal(self) -> None:
        self.requests.set()
        self.answers.set()
        self.open = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.transport.abort()
            return
        back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, forth}
        for source, sink, gate in ((reader, forth, self.requests), (back, writer, self.answers)):
            self._pumps.add(asyncio.create_task(self._pump(source, sink, gate)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not gate.is_set():
                    self.held += data
                    await gate.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
