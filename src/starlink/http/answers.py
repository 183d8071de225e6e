"""Answers as the bytes of HTTP/1.1."""

import time
from collections.abc import Mapping
from http import HTTPStatus

from starlink.api.errors import StatusError
from starlink.http.message import Response
from starlink.http.status import status_response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"\r\n"

_KEPT_HEADS = 512
_SHORT_HEAD = 1024
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_heads: dict[tuple[object, ...], bytes] = {}


def head(status: int, headers: Mapping[str, str], *, close: bool) -> bytes:
    """The status line and headers, without what says how long the body is, and without the empty line."""
    key = (status, close, *headers.items())
    found = _heads.get(key)
    if found is None:
        found = _head(status, headers, close)
        if len(_heads) >= _KEPT_HEADS:
            _heads.clear()
        if len(found) <= _SHORT_HEAD:  # a client can have long ones made
            _heads[key] = found
    return found


def whole(response: Response, *, close: bool, head_only: bool, date: bytes = b"") -> bytes:
    """A response in one piece, `date` a header line. 204 and 304 have no body (RFC 9110, section 6.4.1)."""
    rendered = head(response.status, response.headers, close=close) + date
    if response.status in (204, 304):
        return rendered + UNTIL_CLOSE
    if head_only:
        return b"%bcontent-length: %d\r\n\r\n" % (rendered, len(response.body))
    return b"%bcontent-length: %d\r\n\r\n%b" % (rendered, len(response.body), response.body)


def date_line(now: float) -> bytes:
    """The Date header of answers at `now` in epoch seconds (RFC 9110, section 5.6.7), whatever the locale."""
    at = time.gmtime(now)
    text = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year} "
    return f"date: {text}{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT\r\n".encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def too_many_requests() -> Response:
    """429, in the words of the real server."""
    message = "Too many requests, please try again later."
    return status_response(StatusError(429, "TooManyRequests", message, retry_after=1))


def timed_out(seconds: float) -> Response:
    """408 for a request that does not come to its end."""
    return status_response(StatusError(408, "Timeout", f"the request did not arrive within {seconds:g} s"))


def stalled(size: int, seconds: float) -> Response:
    """408 for a body that makes no progress."""
    message = f"of the request's body less than {size} further bytes arrived within {seconds:g} s"
    return status_response(StatusError(408, "Timeout", message))


def too_many_streams(user: str) -> Response:
    """429 for a watch above the limit."""
    message = f"Too many watches are open for {user}, please end some or try again later."
    return status_response(StatusError(429, "TooManyRequests", message, retry_after=5))


INTERNAL_ERROR = status_response(
    StatusError(500, "InternalError", "Internal error occurred; the server's log says more")
)


def _head(status: int, headers: Mapping[str, str], close: bool) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {_one_line(value)}" for name, value in headers.items())]
    if close:
        lines.append("connection: close")
    return "\r\n".join([*lines, ""]).encode("utf-8")


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")
