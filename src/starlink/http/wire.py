"""A client's socket, with TLS over it or without: bytes in, bytes out.

Not asyncio's TLS, which holds 256 KiB a connection, and takes longer over a small answer than HTTP and JSON together.
"""

import asyncio
import socket
import ssl
import struct
from abc import ABC, abstractmethod
from typing import Any

from starlink.http.reasons import why

ROOM = 64 * 1024
"""What a socket reads at once."""
_OF_TIME = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED (openssl-verification-options(1))."""
_WITHOUT_LINGERING = struct.pack("ii", 1, 0)
"""What is still to be sent is thrown away when the socket is closed (socket(7), SO_LINGER)."""
_RECORD = 16 * 1024  # what a record of TLS holds at most (RFC 8446, section 5.1)


def is_untrusted(error: BaseException) -> bool:
    """Whether a handshake failed by who the server is, and not by when its certificate is good."""
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code not in _OF_TIME


class Wire(asyncio.BufferedProtocol, ABC):
    """`tls` is None for plain text; `host` is whom the server's certificate must name; `room` is what this and others
    of one event loop read into. A subclass says what is done with what comes."""

    def __init__(self, tls: ssl.SSLContext | None, host: str, room: memoryview) -> None:
        self._transport: Any = None
        self._room = room
        self._session: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if tls is not None:
            self._session = tls.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._trouble = ""
        self.closed = False
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when bytes may be sent; fails with an OSError when they never may."""

    # For the subclass to say

    @abstractmethod
    def received(self, data: bytes) -> None:
        """The server has sent this."""

    @abstractmethod
    def lost(self, why: str) -> None:
        """The connection is gone."""

    # What the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self._session is None:
            self.settled.set_result(None)
        else:
            self._shake_hands(self._session)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        reason = self._trouble or (why(exc) if exc else "closed by the server")
        self._refuse(ConnectionResetError(reason))
        self.lost(reason)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        if self.closed:
            return
        session = self._session
        if session is None:
            self.received(bytes(self._room[:nbytes]))
            return
        self._incoming.write(self._room[:nbytes])
        if not self.settled.done():
            self._shake_hands(session)
        if self.settled.done() and not self.closed and (data := self._decrypt(session)):
            self.received(data)

    # What the subclass says

    def write(self, data: bytes) -> None:
        """Sends bytes."""
        session = self._session
        if session is None:
            self._transport.write(data)
            return
        sent = session.write(data)
        while sent < len(data):
            sent += session.write(memoryview(data)[sent:])
        self._transport.write(self._outgoing.read())

    def pause_reading(self) -> None:
        """Lets what the server sends wait at the server."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """The opposite."""
        if not self.closed:
            self._transport.resume_reading()

    def close(self) -> None:
        """Ends the connection at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def drop(self) -> None:
        """The same, and what has not reached the server by now never will: the system would go on sending it for a
        minute or more."""
        if self._transport is not None and not self.closed:
            own = self._transport.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _WITHOUT_LINGERING)
        self.close()

    # TLS

    def _shake_hands(self, session: ssl.SSLObject) -> None:
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:  # a certificate that is not to be trusted too
            self._flush()
            self._refuse(error)
            self.close()
        else:
            self._flush()
            if not self.settled.done():
                self.settled.set_result(None)

    def _refuse(self, error: OSError) -> None:
        if not self.settled.done():
            self.settled.set_exception(error)
            self.settled.exception()  # whoever opened this may be gone

    def _decrypt(self, session: ssl.SSLObject) -> bytes:
        """What has come, in one piece."""
        pieces = []
        try:
            while self._incoming.pending or session.pending():
                if not (piece := session.read(_RECORD)):
                    self.close()
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            self._flush()  # the answer to a change of keys
        except ssl.SSLError as error:
            self._trouble = str(error)
            self._flush()
            self.close()
        return b"".join(pieces)

    def _flush(self) -> None:
        """Sends what TLS says of its own accord."""
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())
