"""The listening sockets: who comes is let in, and what goes wrong with it is told seldom.

Not asyncio's server, which at a full table of descriptors tries and logs a traceback a thousand times a second.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

BACKLOG = 1024
PAUSE_SECONDS = 0.5
"""The pause when the system has no room for another connection; clients wait in its queue meanwhile."""
TOLD_SECONDS = 10.0
_AT_ONCE = 64  # accepted in one turn of the loop; open connections have the next
_PASSING = (
    errno.ECONNABORTED, errno.EPROTO, errno.ENOPROTOOPT, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENONET,
    errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EOPNOTSUPP, errno.EPERM,
)  # fmt: skip
"""What one who has come has brought, says accept(2): the next may be well."""


class Seldom:
    """Lets the first of many that are alike be told, and then how many there were, once in `seconds`. Pure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._told_at: float | None = None
        self._untold = 0

    def count(self, now: float) -> int:
        """Counts one at `now`; gives how many are to be told of, 0 for none."""
        self._untold += 1
        if self._told_at is not None and now - self._told_at < self._seconds:
            return 0
        self._told_at = now
        untold, self._untold = self._untold, 0
        return untold


class Listener:
    """Accepts on sockets, each connection for a protocol of its own, until it is closed."""

    def __init__(self, sockets: list[socket.socket], protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._protocol = protocol
        self._seldom = Seldom(TOLD_SECONDS)
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        self._entering: set[asyncio.Task[None]] = set()
        for sock in sockets:
            self._resume(sock)

    @property
    def port(self) -> int:
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accepts no more."""
        for pause in self._pauses.values():
            pause.cancel()
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets = []

    def _resume(self, sock: socket.socket) -> None:
        self._pauses.pop(sock, None)
        self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                peer, _address = sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _PASSING:
                    continue
                self._pause(sock, error)
                return
            peer.setblocking(False)
            task = self._loop.create_task(self._enter(peer))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _enter(self, peer: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, peer)
        except OSError:  # it has gone meanwhile
            peer.close()

    def _pause(self, sock: socket.socket, error: OSError) -> None:
        self._loop.remove_reader(sock)
        self._pauses[sock] = self._loop.call_later(PAUSE_SECONDS, self._resume, sock)
        if times := self._seldom.count(self._loop.time()):
            why = os.strerror(error.errno) if error.errno else str(error)
            log.error("connections can't be accepted; they wait: %s", why, extra={"times": times})


async def listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets, one an address of `host`, "" for all of this machine; port 0 lets the system pick. Raises
    OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port or _port(sockets), *address[2:]))
            sock.listen(BACKLOG)
    except OSError as error:
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.close()
        raise OSError(error.errno, f"{host or 'all addresses'} port {port}: {error.strerror or error}") from None
    return sockets


def _port(sockets: list[socket.socket]) -> int:
    """That of the first, which the others share; 0 for the first itself."""
    return int(sockets[0].getsockname()[1]) if len(sockets) > 1 else 0
