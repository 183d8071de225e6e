"""HTTP/1.1 requests out of a client's bytes. No I/O and no clock; what is malformed becomes a StatusError."""

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import httptools

from starlink.apiserver import errors
from starlink.apiserver.errors import StatusError
from starlink.apiserver.fairness import Budget
from starlink.apiserver.http.limits import Limits
from starlink.apiserver.http.target import split_target
from starlink.apiserver.message import separator

_HEADER_COST = 32  # what a header takes beside its text, so that many small ones count too
_KEPT_NAMES = 1024
_SHORT_NAME = 64
_KEPT_HEADS = 1024
_SHORT = 16 * 1024
_SHORT_HEAD = 4096
_PIECE = 2048
_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "PATCH", "DELETE")}
_LINE_END = b" HTTP/1.1\r\n"
_HEAD_END = b"\r\n\r\n"
_SPECIAL = ("transfer-encoding", "expect", "upgrade", "connection")

_names: dict[bytes, str] = {}
_heads: dict[bytes, tuple[Mapping[str, str], int]] = {}  # and the body's length, by the bytes after the request line


class Incoming(NamedTuple):
    """One whole request. `keep`: the connection may be kept after it; `chunks`: the client knows chunked
    bodies; `expects` a 100 before its answer."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    keep: bool
    chunks: bool
    expects: bool


class RequestParser:
    """Parses one connection's requests into `ready`, in order. A StatusError there is the last item:
    nothing is parsed after it. What bodies take of `bodies` is given back by `release` and `close`."""

    __slots__ = (
        "_bodies", "_body", "_body_size", "_failed", "_framing", "_head_done", "_head_fed", "_head_size", "_headers",
        "_held", "_http", "_limits", "_refusal", "_target", "begun", "ready", "wants_continue",
    )  # fmt: skip

    def __init__(self, limits: Limits, bodies: Budget) -> None:
        self.ready: deque[Incoming | StatusError] = deque()
        self.begun = False  # a request has begun to come and is not whole
        self.wants_continue = False  # its client waits for a 100 before it sends the body
        self._limits = limits
        self._bodies = bodies
        self._held = 0
        self._body_size = self._framing = 0
        self._http: Any = None
        self._failed = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._refusal: StatusError | None = None

    def feed(self, data: bytes) -> None:
        """Takes bytes of the client's."""
        if self._failed:
            return
        if not self.begun:
            if len(data) <= _SHORT and self._take_known(data):
                return
            self._http = self._http or httptools.HttpRequestParser(self)
        before, was_begun = len(self.ready), self.begun
        self._parse(data)
        if self._failed or self.begun:
            return
        if not was_begun and len(self.ready) == before + 1:
            _remember(data, self.ready[-1])

    def release(self, size: int) -> None:
        """A request whose body has this size has been answered."""
        self._held -= size
        self._bodies.give_back(size)

    def close(self) -> None:
        """Lets go of what refers to this, and of all bodies."""
        self._failed = True
        self.release(self._held)
        self._http = None
        self.ready.clear()

    def _take_known(self, data: bytes) -> bool:
        """Takes a request whose head came before; gives False, and does not, when it is another or too large."""
        known = _known(data)
        if known is None:
            return False
        size = len(known.body)
        if size > self._limits.body or not self._bodies.take(size):
            return False
        self._held += size
        self.ready.append(known)
        return True

    def _parse(self, data: bytes) -> None:
        """In pieces, for httptools does not say where in the bytes a request ends: what frames a body is counted by the
        piece. The piece in which a request begins does not count, and the one in which it ends counts whole, so that
        the count is wrong by a piece at most."""
        whole = memoryview(data)
        for start in range(0, len(whole), _PIECE):
            if not self._failed:
                self._parse_piece(whole[start : start + _PIECE])

    def _parse_piece(self, piece: memoryview) -> None:
        rest = piece
        if self.begun and self._head_done:
            self._framing += len(piece)
        while rest and not self._failed:
            try:
                self._http.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]  # a wish that a server may ignore (RFC 9110, section 7.8)
            except httptools.HttpParserError as error:
                self._fail(self._refusal or errors.bad_request(f"malformed HTTP request: {error}"))
        if self.begun and not self._head_done:
            self._count_partial_head(len(piece))
        elif self.begun and self._framing > self._limits.headers:
            self._fail(self._headers_too_large())

    def _count_partial_head(self, size: int) -> None:
        """A header that never ends reaches no callback, and must not gather for ever."""
        self._head_fed += size
        if self._head_fed > 2 * self._limits.headers:
            self._fail(self._headers_too_large())

    def _fail(self, refusal: StatusError) -> None:
        self._failed = True
        self.begun = False
        self.wants_continue = False
        self.release(sum(map(len, self._body)))
        self._body = []
        self.ready.append(refusal)

    # What httptools calls

    def on_message_begin(self) -> None:
        self.begun = True
        self._target = b""
        self._headers = {}
        self._head_size = 0
        self._head_fed = 0
        self._head_done = False
        self._body = []
        self._body_size = 0
        self._framing = 0  # of a chunked body what is not body: chunk heads, and a trailer
        self._refusal = None

    def on_url(self, url: bytes) -> None:
        self._target = self._target + url if self._target else url
        if len(self._target) > self._limits.target:
            self._refuse(self._target_too_long())
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            return  # a trailer, which nobody asked for
        self._count_head(len(name) + len(value) + _HEADER_COST)
        key = _names.get(name) or _header_name(name)
        if key == "host" and key in self._headers:
            self._refuse(errors.bad_request("too many Host headers"))
        text = value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}{separator(key)}{text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self._head_done = True
        if "host" not in self._headers and self._http.get_http_version() != "1.0":
            self._refuse(errors.bad_request("missing required Host header"))  # RFC 9112, section 3.2
        length = self._headers.get("content-length")
        if length is not None and int(length) > self._limits.body:
            self._refuse(self._body_too_large())
        if "expect" in self._headers:
            self.wants_continue = self._headers["expect"].lower() == "100-continue"

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        self._framing -= len(body)
        if self._body_size > self._limits.body:
            self._refuse(self._body_too_large())
        if not self._bodies.take(len(body)):
            self._refuse(_too_many_bodies())
        self._held += len(body)
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._framing > self._limits.headers:
            self._refuse(self._headers_too_large())
        try:
            path, query = split_target(self._target)
        except ValueError as error:
            self._refuse(errors.bad_request(f"malformed URL: {error}"))
        method = self._http.get_method().decode("ascii")
        chunks = self._http.get_http_version() != "1.0"
        keep = chunks and self._http.should_keep_alive()
        body = b"".join(self._body)
        self.ready.append(Incoming(method, path, query, self._headers, body, keep, chunks, self.wants_continue))
        self.begun = self.wants_continue = False
        self._body = []

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._limits.headers:
            self._refuse(self._headers_too_large())

    def _refuse(self, refusal: StatusError) -> None:
        self._refusal = refusal
        raise refusal  # httptools stops, and raises its own error

    def _headers_too_large(self) -> StatusError:
        message = f"Request header fields too large: limit is {self._limits.headers}"
        return StatusError(431, "RequestHeaderFieldsTooLarge", message)

    def _target_too_long(self) -> StatusError:
        return StatusError(414, "RequestURITooLong", f"Request URI too long: limit is {self._limits.target}")

    def _body_too_large(self) -> StatusError:
        return errors.too_large(f"Request entity too large: limit is {self._limits.body}")


def _known(data: bytes) -> Incoming | None:
    """One whole request whose headers came before, byte for byte, as a client's do from request to request: httptools
    has found them good."""
    end, start = _head_ends(data)
    known = _heads.get(data[end + 2 : start])
    if known is None or start > _SHORT_HEAD or len(data) - start != known[1]:
        return None
    if data[end - 9 : end + 2] != _LINE_END:
        return None
    verb, _, target = data[: end - 9].partition(b" ")
    method = _METHODS.get(verb)
    if method is None or not target.startswith(b"/"):
        return None
    try:
        path, query = split_target(target)
    except ValueError:
        return None
    return Incoming(method, path, query, known[0], data[start:], True, True, False)


def _remember(data: bytes, parsed: Incoming | StatusError) -> None:
    """Remembers the headers of a request that is all of what came, and asks for nothing special."""
    if isinstance(parsed, StatusError) or not parsed.keep or not parsed.chunks or len(data) > _SHORT:
        return
    end, start = _head_ends(data)
    headers, size = parsed.headers, len(parsed.body)
    if start > _SHORT_HEAD or len(data) - start != size or headers.get("content-length", "0") != str(size):
        return
    if any(name in headers for name in _SPECIAL) or data[end - 9 : end + 2] != _LINE_END:
        return
    if len(_heads) >= _KEPT_HEADS:
        _heads.clear()
    _heads[data[end + 2 : start]] = headers, size


def _head_ends(data: bytes) -> tuple[int, int]:
    """Where the request line ends, and where the body begins."""
    end = data.find(b"\r\n")
    return end, data.find(_HEAD_END, end) + len(_HEAD_END)


def _too_many_bodies() -> StatusError:
    message = "Too many requests with large bodies, please try again later."
    return StatusError(429, "TooManyRequests", message, retry_after=1)


def _header_name(name: bytes) -> str:
    """A header's name in lower case; the usual ones are decoded once."""
    key = name.decode("latin-1").lower()
    if len(_names) < _KEPT_NAMES and len(name) <= _SHORT_NAME:
        _names[name] = key
    return key
