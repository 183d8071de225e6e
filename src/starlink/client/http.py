"""HTTP/1.1 over asyncio and httptools: a small pool of kept-alive connections, and streams.

Whoever asks waits once, for the whole answer: a connection that has brought one goes on with the next request at once,
without a turn of the loop in between.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping

from starlink.client.config import Config
from starlink.client.connection import Answer, Connection, Parts, Reply
from starlink.client.credentials import Credentials
from starlink.client.errors import BadConfig, Unreachable, Untrusted
from starlink.client.request import encode
from starlink.client.tunnel import through
from starlink.http.reasons import why
from starlink.http.wire import ROOM, is_untrusted

MAX_CONNECTIONS = 8
CONNECT_SECONDS = 10.0
MOST_BODY = 256 * 1024 * 1024
"""Bytes of a whole answer: more than a page of the largest objects that are common, and less than fills a machine."""
UNAUTHORIZED = 401


class _Exchange(Reply):
    """A request, and its answer once it is whole."""

    __slots__ = ("_http", "_parts", "_size", "_status", "answer", "connection", "request")

    def __init__(self, http: "Http", request: bytes, answer: "asyncio.Future[Answer]") -> None:
        self._http = http
        self._status = 0
        self._parts: list[bytes] = []
        self._size = 0
        self.request = request
        self.answer = answer
        self.connection: Connection | None = None  # the one that it is on

    def began(self, status: int) -> None:
        self._status = status

    def came(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MOST_BODY:
            self._parts.append(data)
        else:
            self._parts.clear()
            self.fail(Unreachable(f"the server's answer has more than {MOST_BODY} bytes"))

    def completed(self) -> None:
        self.connection = None
        if not self.answer.done():
            self.answer.set_result(Answer(self._status, b"".join(self._parts)))

    def broke(self, trouble: Unreachable, *, untouched: bool) -> None:
        self.connection = None
        if untouched:
            self._http.again(self)
        else:
            self.fail(trouble)

    def fail(self, trouble: Unreachable) -> None:
        """Nobody answers."""
        if not self.answer.done():
            self.answer.set_exception(trouble)

    def end(self) -> None:
        """Nobody waits any more. A request that is given up is not done later, as far as that is in our hands."""
        if self.connection is not None:
            self.connection.drop()
            self._http.close()


class Http:
    """Requests to one server."""

    def __init__(self, config: Config, connections: int = MAX_CONNECTIONS) -> None:
        self._config = config
        self._credentials = Credentials(config)
        self._host = config.host
        self._port = config.port
        self._who: Config | None = None  # as whom connections are opened
        self._tls: ssl.SSLContext | None = None
        self._room = memoryview(bytearray(ROOM))
        self._most = connections
        self._open = 0  # connections, those that are being opened too
        self._opening: set[asyncio.Task[None] | None] = set()
        self._idle: list[Connection] = []
        self._waiting: deque[_Exchange] = deque()

    async def request(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Answer:
        """One whole answer within `seconds`. A plugin whose credential is refused is asked once more. Raises
        Unreachable."""
        until = asyncio.get_running_loop().time() + seconds
        who = self._credentials.at_hand() or await self._asked(seconds)
        answer = await self._exchange(who, encode(who, method, path, query, headers, body), seconds)
        if answer.status == UNAUTHORIZED and self._credentials.refused(who):
            left = until - asyncio.get_running_loop().time()
            who = await self._asked(left)
            answer = await self._exchange(who, encode(who, method, path, query, headers, body), left)
        return answer

    async def authenticate(self) -> None:
        """Has a plugin asked, where there is one, in the time that it takes: it may have to ask a person. Raises
        Unreachable."""
        await self._credentials.get()

    async def _asked(self, seconds: float) -> Config:
        """Who we are, as a plugin says, which goes on when this waits no more."""
        try:
            async with asyncio.timeout(seconds):
                return await self._credentials.get()
        except TimeoutError:
            raise Unreachable(f"exec has given no credential within {seconds:g} s") from None

    async def _exchange(self, who: Config, request: bytes, seconds: float) -> Answer:
        self._become(who)
        loop = asyncio.get_running_loop()
        exchange = _Exchange(self, request, loop.create_future())
        limit = loop.call_later(seconds, self._expire, exchange, seconds)
        self._waiting.append(exchange)
        self._serve()
        try:
            return await exchange.answer
        finally:
            limit.cancel()
            exchange.end()

    def again(self, exchange: _Exchange) -> None:
        """The next to go out is one whose connection had died before it."""
        self._waiting.appendleft(exchange)
        self._serve()

    def _expire(self, exchange: _Exchange, seconds: float) -> None:
        exchange.fail(self._silent(seconds))

    def _silent(self, seconds: float) -> Unreachable:
        return Unreachable(f"{self._config.server} did not answer within {seconds:g} s")

    def _serve(self) -> None:
        """Sends what waits on what is idle, and opens connections for the rest, as far as there may be any."""
        while self._waiting and (connection := self._take_idle()) is not None:
            exchange = self._next()
            if exchange is None:
                self._idle.append(connection)
                return
            exchange.connection = connection
            connection.send(exchange.request, exchange)
        while len(self._opening) < len(self._waiting) and self._open < self._most:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._add())
            self._opening.add(task)

    def _next(self) -> _Exchange | None:
        """The first whose answer is still waited for."""
        while self._waiting:
            exchange = self._waiting.popleft()
            if not exchange.answer.done():
                return exchange
        return None

    def _take_idle(self) -> Connection | None:
        """The one that was used last."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _add(self) -> None:
        """Opens a connection for the pool; when there can't be one, the first that waits is told."""
        task = asyncio.current_task()
        try:
            connection = await self._connect()
        except Unreachable as error:
            self._open -= 1
            if (exchange := self._next()) is not None:
                exchange.fail(error)
        except BaseException:
            self._open -= 1
            raise
        else:
            connection.pool = self
            self._idle.append(connection)
        finally:
            self._opening.discard(task)
        self._serve()

    def freed(self, connection: Connection) -> None:
        """A connection may take the next request, unless it was opened as somebody that we are no more."""
        if connection.tls is self._tls:
            self._idle.append(connection)
        else:
            connection.close()
        self._serve()

    def gone(self, connection: Connection) -> None:
        """A connection takes none any more."""
        if connection in self._idle:
            self._idle.remove(connection)
        self._open -= 1
        self._serve()

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], seconds: float
    ) -> AsyncIterator[tuple[int, Parts]]:
        """A status and the body's parts as they come, on a connection of its own. `seconds` bounds only the
        wait for the status. A plugin whose credential is refused is asked once more. Raises Unreachable."""
        who = self._credentials.at_hand() or await self._asked(seconds)
        connection, status, parts = await self._begun(who, path, query, headers, seconds)
        if status == UNAUTHORIZED and self._credentials.refused(who):
            connection.close()
            who = await self._asked(seconds)
            connection, status, parts = await self._begun(who, path, query, headers, seconds)
        try:
            yield status, parts
        finally:
            connection.close()

    async def _begun(
        self, who: Config, path: str, query: Mapping[str, str], headers: Mapping[str, str], seconds: float
    ) -> tuple[Connection, int, Parts]:
        self._become(who)
        request = encode(who, "GET", path, query, headers, b"")
        connection = await self._connect()
        try:
            parts = Parts(connection)
            connection.send(request, parts)
            async with asyncio.timeout(seconds):
                return connection, await parts.status, parts
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise self._silent(seconds) from None
            raise

    async def _connect(self) -> Connection:
        connection: Connection | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = Connection(self._tls, self._config.server_name or self._host, self._room)
                await self._dial(connection)
                await connection.settled
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, OSError | TimeoutError):
                kind = Untrusted if is_untrusted(error) else Unreachable
                raise kind(f"{self._config.server} can't be reached: {why(error)}") from None
            raise
        return connection

    async def _dial(self, connection: Connection) -> None:
        proxy = self._config.proxy
        if proxy is None:
            await asyncio.get_running_loop().create_connection(lambda: connection, self._host, self._port)
        else:
            await through(proxy, self._host, self._port, connection)

    def _become(self, who: Config) -> None:
        """Connects with another certificate from now on, where we have become another. Raises Unreachable."""
        if who is self._who:
            return
        if self._who is None or (who.certificate, who.key) != (self._who.certificate, self._who.key):
            try:
                self._tls = who.tls()
            except BadConfig as error:
                raise Unreachable(str(error)) from None
            self.close()
        self._who = who

    def close(self) -> None:
        """Closes the idle connections. Where one gives no answer, the others may have lost the server as well."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
