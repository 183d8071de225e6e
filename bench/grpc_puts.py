"""etcd's Put as the bytes of gRPC over HTTP/2, with as little work for the client as can be.

etcd's own `etcdctl check perf` paces its writes and fixes its clients; this has as many connections as the API
server's clients have, each with one put under way, and so gives etcd's best at that concurrency. Frames: RFC 9113;
headers are literals without indexing (RFC 7541, section 6.2.2), which need no table.
"""

from collections.abc import Callable

from starlink.apiserver.protobuf_wire import field

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_WINDOW = 2**30


def put(key: bytes, value: bytes) -> bytes:
    """An etcdserverpb.PutRequest: field 1 the key, field 2 the value."""
    return field(1, key) + field(2, value)


class GrpcPuts:
    """`load.Protocol` of one connection; `make` gives a request's message."""

    def __init__(self, make: Callable[[int], bytes], authority: str) -> None:
        self._make = make
        self._headers = b"".join(
            _literal(name, value)
            for name, value in (
                (b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/etcdserverpb.KV/Put"),
                (b":authority", authority.encode()), (b"content-type", b"application/grpc"), (b"te", b"trailers"),
            )
        )  # fmt: skip
        self._got = bytearray()
        self._stream = -1
        self._has_message = False
        self._reply = b""

    def hello(self) -> bytes:
        return _PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_WINDOW_UPDATE, 0, 0, _WINDOW.to_bytes(4, "big"))

    def request(self, number: int) -> bytes:
        self._stream += 2
        message = self._make(number)
        body = b"\0" + len(message).to_bytes(4, "big") + message
        headers = _frame(_HEADERS, _END_HEADERS, self._stream, self._headers)
        return headers + _frame(_DATA, _END_STREAM, self._stream, body)

    def answered(self, data: bytes) -> str:
        """A stream that ends with trailers after a message was a put that was done; one without a message failed."""
        self._got += data
        status = ""
        while len(self._got) >= 9:
            length = int.from_bytes(self._got[:3], "big")
            if len(self._got) < 9 + length:
                break
            kind, flags = self._got[3], self._got[4]
            payload = bytes(self._got[9 : 9 + length])
            del self._got[: 9 + length]
            if kind == _DATA:
                self._has_message = True
            elif kind == _HEADERS and flags & _END_STREAM:
                status = "ok" if self._has_message else "failed"
                self._has_message = False
            elif kind == _SETTINGS and not flags & _ACK:
                self._reply += _frame(_SETTINGS, _ACK, 0, b"")
            elif kind == _PING and not flags & _ACK:
                self._reply += _frame(_PING, _ACK, 0, payload)
        return status

    def reply(self) -> bytes:
        reply, self._reply = self._reply, b""
        return reply


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value
