"""The HTTP adapter: it listens, and serves the framework-free core to clients over TLS and HTTP/1.1.

Not a framework's server: this hands the client's certificate to the core, and needs little memory.
"""

import asyncio
import contextlib
import logging
import resource
import time
from collections.abc import Callable
from dataclasses import replace

from starlink.api.errors import StatusError
from starlink.http import answers
from starlink.http.accounts import equal
from starlink.http.bodies import Bodies
from starlink.http.connection import Connection
from starlink.http.dispatch import Dispatcher, Handle
from starlink.http.fairness import Account, Quota
from starlink.http.limits import Limits
from starlink.http.listener import Listener, listen
from starlink.http.message import Request
from starlink.http.outbox import Notes, Nothing, Outbox
from starlink.http.service import Authenticator, Channels, Precheck, Refused, Service
from starlink.http.tls import TlsContext

_SWEEP_SECONDS = 1.0
_STOP_SECONDS = 2.0
_OTHER_FILES = 256  # beside the connections
_FEWEST = 16
_AT_ONCE = 256  # looked at in one turn of the loop

log = logging.getLogger(__name__)


class HttpServer:
    """Serves `handle`, which gives an answer to each request of a user that `authenticator` knows. `refused` is told
    of each whose credentials are not good; `precheck` says before a large body comes whether it need not. No answer
    leaves before the `notes` of its request are written. `account` says on whose account a request goes, and how
    many turns that has."""

    def __init__(
        self,
        handle: Handle,
        authenticator: Authenticator,
        *,
        limits: Limits | None = None,
        refused: Refused | None = None,
        precheck: Precheck | None = None,
        notes: Notes | None = None,
        account: Callable[[Request], Account] = equal,
    ) -> None:
        self._limits = limits or Limits()
        self._authenticator = authenticator
        self._refused = refused or _nobody
        self._precheck = precheck or _nothing
        self._account = account
        self._outbox = Outbox(notes or Nothing())
        self._dispatcher = Dispatcher(handle, self._limits)
        self._streams = Quota(total=self._limits.streams, per_user=self._limits.streams_per_user)
        self._open: set[Connection] = set()
        self._service: Service | None = None
        self._listener: Listener | None = None
        self._background: list[asyncio.Task[None]] = []

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def streams(self) -> int:
        """How many watches and followed logs are being sent."""
        return self._streams.taken

    async def start(self, host: str, port: int, tls: TlsContext) -> int:
        """Listens; gives the port, which the system picks when it is 0. Raises OSError."""
        self._limits = _fitting(self._limits)
        loop = asyncio.get_running_loop()
        service = self._service = self._serve(tls)
        self._listener = Listener(await listen(host, port), lambda: Connection(service))
        self._background = [loop.create_task(self._sweep(service)), loop.create_task(tls.follow())]
        return self._listener.port

    async def stop(self) -> None:
        """Closes the listener, ends streams, and waits a little for the requests in hand."""
        if self._listener is None or self._service is None:
            return
        channels = self._service.channels
        channels.stopping = True
        self._listener.close()
        for task in self._background:
            task.cancel()
        for connection in tuple(self._open):
            connection.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                while self._open:
                    channels.empty.clear()
                    await channels.empty.wait()
        for connection in tuple(self._open):
            connection.abort()
        await self._dispatcher.stop()

    def _serve(self, tls: TlsContext) -> Service:
        limits = self._limits
        admitted = Quota(total=limits.connections, per_user=limits.connections_per_address)
        channels = Channels(limits, tls, asyncio.get_running_loop().time, admitted, self._open)
        date = answers.date_line(time.time())
        return Service(
            channels, self._authenticator, self._dispatcher, Bodies(limits), self._streams, self._refused,
            self._precheck, self._account, self._outbox, date,
        )  # fmt: skip

    async def _sweep(self, service: Service) -> None:
        """Ends, for ever, what takes longer than it may. One look for all is cheaper than a timer for each request."""
        channels = service.channels
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self._limits.shortest / 4))
            service.date = answers.date_line(time.time())
            now = channels.clock()
            for number, connection in enumerate(tuple(self._open)):
                connection.check(now)
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)
            if channels.refused:
                log.warning("connections were refused", extra={"refused": channels.refused, "open": self.connections})
                channels.refused = 0


def _fitting(limits: Limits) -> Limits:
    """The limits with no more connections than this process may have files: clients must not take those that the store
    and the logs need."""
    refused = limits.connections_refused
    room = max(_allow_files(limits.connections + refused + _OTHER_FILES) - refused - _OTHER_FILES, _FEWEST)
    if room >= limits.connections:
        return limits
    log.warning("this process may open few files, and so have few connections", extra={"connections": room})
    return replace(limits, connections=room, connections_per_address=min(limits.connections_per_address, room))


def _allow_files(wanted: int) -> int:
    """Lets this process open as many files as the system grants, up to `wanted`; gives how many these are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    granted = max(soft, wanted if hard == resource.RLIM_INFINITY else min(wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    return granted


def _nobody(_request: Request, _why: str, _claimed: str) -> None:
    """Nobody is told."""


def _nothing(_request: Request) -> StatusError | None:
    """Nothing is refused before its body comes."""
    return None
