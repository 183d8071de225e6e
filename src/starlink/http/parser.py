"""HTTP/1.1 requests out of a client's bytes. No I/O and no clock; what is malformed becomes a StatusError."""

from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

import httptools

from starlink.api import errors
from starlink.api.errors import StatusError
from starlink.http import heads
from starlink.http.bodies import Claim
from starlink.http.incoming import Incoming
from starlink.http.limits import Limits
from starlink.http.message import separator
from starlink.http.target import split_target

_HEADER_COST = 32  # what a header takes beside its text, so that many small ones count too
_KEPT_NAMES = 1024
_SHORT_NAME = 64
_PIECE = 2048

_names: dict[bytes, str] = {}


Admit = Callable[[Incoming, int | None], Claim]
"""Takes a request without its body, and the body's size, None where it is unknown. Gives the claim that pays for the
body. Raises StatusError when the body may not be sent."""


class RequestParser:
    """Parses one connection's requests into `ready`, in order. A StatusError there is the last item:
    nothing is parsed after it. `admit` is asked before a body is taken; what bodies take is given back by `release`
    and `close`."""

    __slots__ = (
        "_admit", "_body", "_claim", "_claims", "_failed", "_framing", "_head_done", "_head_fed", "_head_size",
        "_headers", "_http", "_incoming", "_limits", "_refusal", "_target", "begun", "body_size", "ready",
        "wants_continue",
    )  # fmt: skip

    def __init__(self, limits: Limits, admit: Admit) -> None:
        self.ready: deque[Incoming | StatusError] = deque()
        self.begun = False  # a request has begun to come and is not whole
        self.wants_continue = False  # its client waits for a 100 before it sends the body
        self._limits = limits
        self.body_size = 0  # of what has come of the body
        self._admit = admit
        self._claim: Claim | None = None  # of the body that is coming
        self._claims: deque[Claim] = deque()  # of those that are whole, in their order
        self._framing = 0
        self._head_done = False
        self._incoming: Incoming | None = None
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
            if len(data) <= heads.SHORT and self._take_known(data):
                return
            self._http = self._http or httptools.HttpRequestParser(self)
        before, was_begun = len(self.ready), self.begun
        self._parse(data)
        if self._failed or self.begun:
            return
        if not was_begun and len(self.ready) == before + 1:
            heads.remember(data, self.ready[-1])

    @property
    def in_body(self) -> bool:
        """Whether the head of the request that is coming is whole."""
        return self.begun and self._head_done

    def release(self) -> None:
        """The first of the requests with a body has been answered."""
        self._claims.popleft().give_back()

    def close(self) -> None:
        """Lets go of what refers to this, and of all bodies."""
        self._failed = True
        self._drop_body()
        while self._claims:
            self.release()
        self._http = None
        self.ready.clear()

    def _drop_body(self) -> None:
        self._body = []
        if self._claim is not None:
            self._claim.give_back()
            self._claim = None

    def _take_known(self, data: bytes) -> bool:
        """Takes a request whose head came before; gives False, and does not, when it is another or too large."""
        known = heads.known(data)
        if known is None:
            return False
        size = len(known.body)
        if size > min(self._limits.body, self._limits.small):
            return False
        if size:
            claim = self._admit(known, size)
            if not claim.take(size):
                return False
            self._claims.append(claim)
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
        self._drop_body()
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
        self.body_size = 0
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
        wants_continue = self._headers.get("expect", "").lower() == "100-continue"
        self._incoming = item = self._head(wants_continue)
        size = None if "transfer-encoding" in self._headers else int(length or 0)
        if size != 0:
            self._claim = self._claimed(item, size)
        self.wants_continue = wants_continue

    def _head(self, expects: bool) -> Incoming:
        """The request without its body."""
        try:
            path, query = split_target(self._target)
        except ValueError as error:
            self._refuse(errors.bad_request(f"malformed URL: {error}"))
        method = self._http.get_method().decode("ascii")
        chunks = self._http.get_http_version() != "1.0"
        keep = chunks and self._http.should_keep_alive()
        return Incoming(method, path, query, self._headers, b"", keep, chunks, expects)

    def _claimed(self, item: Incoming, size: int | None) -> Claim:
        try:
            return self._admit(item, size)
        except StatusError as refusal:
            self._refuse(refusal)

    def on_body(self, body: bytes) -> None:
        self.body_size += len(body)
        self._framing -= len(body)
        if self.body_size > self._limits.body:
            self._refuse(self._body_too_large())
        if self._claim is None or not self._claim.take(len(body)):
            self._refuse(_too_many_bodies())
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._framing > self._limits.headers:
            self._refuse(self._headers_too_large())
        assert self._incoming is not None
        body = b"".join(self._body)
        item = self._incoming
        self.ready.append(item._replace(body=body, expects=self.wants_continue) if item.expects or body else item)
        self.begun = self.wants_continue = False
        self._body = []
        if body and self._claim is not None:
            self._claims.append(self._claim)
        self._claim = self._incoming = None

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._limits.headers:
            self._refuse(self._headers_too_large())

    def _refuse(self, refusal: StatusError) -> NoReturn:
        self._refusal = refusal
        raise refusal  # httptools stops, and raises its own error

    def _headers_too_large(self) -> StatusError:
        message = f"Request header fields too large: limit is {self._limits.headers}"
        return StatusError(431, "RequestHeaderFieldsTooLarge", message)

    def _target_too_long(self) -> StatusError:
        return StatusError(414, "RequestURITooLong", f"Request URI too long: limit is {self._limits.target}")

    def _body_too_large(self) -> StatusError:
        return errors.too_large(f"Request entity too large: limit is {self._limits.body}")


def _too_many_bodies() -> StatusError:
    message = "Too many requests with large bodies, please try again later."
    return StatusError(429, "TooManyRequests", message, retry_after=1)


def _header_name(name: bytes) -> str:
    """A header's name in lower case; the usual ones are decoded once."""
    key = name.decode("latin-1").lower()
    if len(_names) < _KEPT_NAMES and len(name) <= _SHORT_NAME:
        _names[name] = key
    return key
