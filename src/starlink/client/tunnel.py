"""A way through a proxy: CONNECT (RFC 9110, section 9.3.6), and then the bytes are the server's."""

import asyncio
from typing import Any, TypeVar

from starlink.client.proxy import Proxy
from starlink.http.reasons import why

MOST_HEAD = 16 * 1024
P = TypeVar("P", bound=asyncio.BaseProtocol)


class NotLetThrough(OSError):
    """The proxy does not lead to the server; the message names it and says why."""


class _Asking(asyncio.Protocol):
    """Waits for the head of the proxy's answer."""

    def __init__(self) -> None:
        self._head = b""
        self.status: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, more = self._head.partition(b"\r\n\r\n")
        if self.status.done():
            return
        if more:
            self.status.set_exception(NotLetThrough("it said more than was asked"))
        elif end:
            self.status.set_result(head.partition(b"\r\n")[0].decode("latin-1"))
        elif len(self._head) > MOST_HEAD:
            self.status.set_exception(NotLetThrough(f"the head of its answer has more than {MOST_HEAD} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.status.done():
            self.status.set_exception(NotLetThrough(why(exc) if exc else "it closed the connection"))


async def through(proxy: Proxy, host: str, port: int, protocol: P) -> P:
    """Connects a protocol to a server by way of a proxy. Raises OSError."""
    loop = asyncio.get_running_loop()
    transport: Any = None
    try:
        transport, asking = await loop.create_connection(_Asking, proxy.host, proxy.port)
        transport.write(_request(proxy, host, port))
        status = await asking.status
        if not _is_success(status):
            raise NotLetThrough(f"it answers {status.partition(' ')[2][:100]!r}")
    except BaseException as error:
        if transport is not None:
            transport.abort()
        if isinstance(error, OSError):
            raise NotLetThrough(f"by the proxy {proxy.shown}: {why(error)}") from None
        raise
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    return protocol


def _request(proxy: Proxy, host: str, port: int) -> bytes:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join((*lines, "", "")).encode()


def _is_success(line: str) -> bool:
    version, _, rest = line.partition(" ")
    return version.startswith("HTTP/1.") and rest[:1] == "2" and rest[:3].isdigit()
