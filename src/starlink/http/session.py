"""One connection's TLS, the server's side: bytes in, bytes out.

Every request passes `receive` and `encrypt`, so these call OpenSSL as pyOpenSSL's own methods do, but without their
allocations and checks: that halves what TLS costs.
"""

from typing import Any

from OpenSSL import SSL, crypto
from OpenSSL._util import ffi, lib

_HANDSHAKE = 0x16
_RECORD = 16 * 1024  # what a record holds at most
_HEADER = 5
_ROOM = 96 * 1024  # for what is given to one call, or comes of it
_UNKNOWN = -1
_PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


class SessionFailed(Exception):
    """The peer does not speak TLS as it must; `alert` is what to tell it."""

    def __init__(self, reason: str, alert: bytes = b"") -> None:
        super().__init__(reason)
        self.alert = alert


def session_room() -> Any:
    """What the sessions of one event loop pass their bytes through."""
    return ffi.new("char[]", _ROOM)


class TlsSession:
    """`room` is of `session_room`."""

    __slots__ = (
        "_begun",
        "_from",
        "_handle",
        "_into",
        "_missing",
        "_peer",
        "_room",
        "_ssl",
        "_view",
        "ended",
        "settled",
    )

    def __init__(self, context: SSL.Context, room: Any) -> None:
        self._ssl: Any = SSL.Connection(context, None)
        self._ssl.set_accept_state()
        self._handle, self._into, self._from = self._ssl._ssl, self._ssl._into_ssl, self._ssl._from_ssl
        self._room, self._view = room, ffi.buffer(room)
        self._begun = False
        self._missing = 0  # of the record whose begin has come
        self._peer: bytes | None = None
        self.settled = False  # the handshake is over, and `output` has nothing that `encrypt` does not give
        self.ended = False  # the peer has said that it sends no more

    def receive(self, data: memoryview) -> bytes:
        """What bytes from the wire mean; after it, `output` is to be sent unless the session is settled.
        Raises SessionFailed."""
        if not self._begun:
            self._begin(data[0])
        try:
            lib.BIO_write(self._into, ffi.from_buffer(data), len(data))
            if self.settled and self._is_one_record(data):
                return self._read()
            return self._read_all(data)
        except SSL.WantReadError:
            return b""
        except SSL.ZeroReturnError:
            self.ended = True
            return b""
        except SSL.Error as error:
            raise SessionFailed(reason(error), self.output()) from None

    def _begin(self, first: int) -> None:
        self._begun = True
        if first != _HANDSHAKE:
            raise SessionFailed("the client does not speak TLS", _PLAIN_HTTP if 65 <= first <= 90 else b"")

    def _is_one_record(self, data: memoryview) -> bool:
        """Whether that is all there is, so that one `_read` gives everything."""
        return not self._missing and len(data) > _HEADER and _HEADER + (data[3] << 8 | data[4]) == len(data)

    def _read(self) -> bytes:
        """What one record holds. Raises as `SSL.Connection.recv` does."""
        size = lib.SSL_read(self._handle, self._room, _RECORD)
        if size <= 0:
            self._ssl._raise_ssl_error(self._handle, size)
        return bytes(self._view[:size])

    def _read_all(self, data: memoryview) -> bytes:
        self._pass_over(data)
        pieces: list[bytes] = []
        try:
            while True:
                pieces.append(self._read())
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.ended = True
        self.settled = self.settled or bool(pieces)
        return b"".join(pieces)

    def _pass_over(self, data: memoryview) -> None:
        """Finds how much of the last record is missing. It stays unknown once a record's header has come in parts."""
        position, size = self._missing, len(data)
        if position == _UNKNOWN:
            return
        while position + _HEADER <= size:
            position += _HEADER + (data[position + 3] << 8 | data[position + 4])
        self._missing = position - size if position >= size else _UNKNOWN

    def encrypt(self, data: bytes | memoryview) -> bytes:
        """The bytes for the wire. Raises SessionFailed."""
        sent = self._write(data)
        while sent < len(data):
            sent += self._write(memoryview(data)[sent:])
        return self.output()

    def _write(self, data: bytes | memoryview) -> int:
        size: int = lib.SSL_write(self._handle, ffi.from_buffer(data), len(data))
        if size <= 0:
            try:
                self._ssl._raise_ssl_error(self._handle, size)
            except SSL.Error as error:
                raise SessionFailed(reason(error)) from None
        return size

    def output(self) -> bytes:
        """What is to be sent: what `encrypt` made, and of its own accord the handshake's part or an alert."""
        size = lib.BIO_read(self._from, self._room, _ROOM)
        if size < _ROOM:
            return bytes(self._view[:size]) if size > 0 else b""
        return bytes(self._view[:size]) + self.output()

    def farewell(self) -> bytes:
        """What tells the peer that no more is sent."""
        try:
            self._ssl.shutdown()
        except SSL.Error:
            return b""
        return self.output()

    def release(self) -> None:
        """Gives back what OpenSSL holds, some 40 KB, when the connection is gone: the collector of cycles, which would
        find the connection in the end, does not know how much that is. Nothing but `peer` may be asked after it."""
        self._peer = self.peer
        self._ssl = self._handle = self._into = self._from = None

    @property
    def peer(self) -> bytes:
        """The client's certificate in DER; b"" when it has shown none."""
        if self._peer is None:
            certificate = self._ssl.get_peer_certificate()  # as OpenSSL took it: others may find no sense in it
            self._peer = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) if certificate else b""
        return self._peer


def reason(error: SSL.Error) -> str:
    """The words of OpenSSL."""
    told = error.args[0] if error.args else ()
    if isinstance(told, list | tuple):
        return "; ".join(entry[-1] for entry in told if entry and entry[-1]) or "unexpected end"
    return str(error)
