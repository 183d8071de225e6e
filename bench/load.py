"""Closed-loop load: each of many TLS connections has one request under way, and sends the next when it is answered.

The loop is one process without tasks or callbacks, so that what is measured is the server. Servers are spoken to by a
`Protocol`: HTTP/1.1 here, gRPC in `bench.grpc_puts`; the loop is the same for both.
"""

import re
import selectors
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as TypingProtocol

_PIECE = 16 * 1024  # a TLS record
_LAST_CHUNK = b"0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Files = tuple[Path, Path, Path]
"""A CA, and a client's certificate and key, in PEM."""


class Protocol(TypingProtocol):
    """One connection's words."""

    def hello(self) -> bytes:
        """What is sent first, before any request."""

    def request(self, number: int) -> bytes:
        """The bytes of the request with this number."""

    def answered(self, data: bytes) -> str:
        """Takes what came; gives the answer's status when it is whole, "" before."""

    def reply(self) -> bytes:
        """What must be sent back beside requests."""


@dataclass(slots=True)
class Tally:
    """What a run came to; `latencies` in seconds."""

    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds


class Http:
    """HTTP/1.1 with keep-alive, and answers in JSON. `make` gives a request's bytes."""

    def __init__(self, make: Callable[[int], bytes]) -> None:
        self._make = make
        self._got = bytearray()

    def hello(self) -> bytes:
        return b""

    def reply(self) -> bytes:
        return b""

    def request(self, number: int) -> bytes:
        return self._make(number)

    def answered(self, data: bytes) -> str:
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        if head < 0:
            return ""
        length = _LENGTH.search(self._got, 0, head + 2)
        if length is None and not self._got.endswith(_LAST_CHUNK):  # no JSON has such an end
            return ""
        if length is not None and len(self._got) < head + 4 + int(length[1]):
            return ""
        status = self._got[9:12].decode()
        self._got.clear()
        return status


def client_tls(ca: Path, certificate: Path, key: Path, alpn: str) -> ssl.SSLContext:
    """A client's context; files are PEM."""
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols([alpn])
    return context


def connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A TLS connection to loopback."""
    plain = socket.create_connection(("127.0.0.1", port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


class _Connection:
    def __init__(self, wire: ssl.SSLSocket, protocol: Protocol) -> None:
        self.wire = wire
        self.protocol = protocol
        self.opened_at = self.sent_at = time.perf_counter()
        self.answers = 0
        wire.sendall(protocol.hello())
        wire.setblocking(False)

    def send(self, data: bytes) -> None:
        """Requests are small; what does not fit at once is waited for."""
        while data:
            try:
                data = data[self.wire.send(data) :]
            except ssl.SSLWantWriteError:
                continue

    def receive(self) -> bytes:
        """What has come; b"" when nothing has. Raises ConnectionError."""
        try:
            data = self.wire.recv(_PIECE)
        except ssl.SSLWantReadError:
            return b""
        if not data:
            now = time.perf_counter()
            raise ConnectionError(
                f"the server closed a connection under load: {now - self.opened_at:.1f} s after it was first used, "
                f"{now - self.sent_at:.1f} s after the request that was under way, {self.answers} answers before that"
            )
        return data


def run(wires: Sequence[ssl.SSLSocket], protocols: Sequence[Protocol], numbers: Iterator[int]) -> Tally:
    """Sends the requests that `numbers` names, each once, and waits for all answers. Raises ConnectionError."""
    tally = Tally()
    with selectors.DefaultSelector() as selector:
        connections = [_Connection(wire, protocol) for wire, protocol in zip(wires, protocols, strict=True)]
        began = time.perf_counter()
        busy = 0
        for connection in connections:
            selector.register(connection.wire, selectors.EVENT_READ, connection)
            busy += _send_next(connection, numbers)
        while busy:
            for key, _ in selector.select():
                busy -= _advance(key.data, numbers, tally)
        tally.seconds = time.perf_counter() - began
    return tally


def _send_next(connection: _Connection, numbers: Iterator[int]) -> int:
    number = next(numbers, None)
    if number is None:
        return 0
    connection.sent_at = time.perf_counter()
    connection.send(connection.protocol.request(number))
    return 1


def _advance(connection: _Connection, numbers: Iterator[int], tally: Tally) -> int:
    """Reads what a connection has; gives 1 when it has nothing left to ask."""
    while data := connection.receive():
        status = connection.protocol.answered(data)
        if reply := connection.protocol.reply():
            connection.send(reply)
        if status:
            tally.statuses[status] += 1
            tally.latencies.append(time.perf_counter() - connection.sent_at)
            connection.answers += 1
            return 1 - _send_next(connection, numbers)
    return 0


def request(method: str, path: str, body: bytes = b"", media: str = "application/json") -> bytes:
    """A request's bytes."""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench/1\r\n"
    if body:
        head += f"content-type: {media}\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
