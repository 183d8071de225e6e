"""Headers that came before, which a client sends byte for byte from request to request: they are parsed once.

Why a request may be taken from this memo without being parsed. A parser is safe when it and its peer agree where each
request ends; requests are smuggled where they don't. The memo keeps that agreement, for it knows only headers

- that httptools has parsed and found good, byte for byte the same, from the end of the request line to the empty line;
- of a request that was all of what came, and whose body was as long as its Content-Length, or absent without one;
- that frame nothing in another way: no Transfer-Encoding, Expect, Upgrade or Connection, over HTTP/1.1.

What the headers do not decide is looked at each time: the method is one of five, the target begins with a slash and is
parsed, the line ends with ` HTTP/1.1`, and what came ends exactly where the remembered length says, so that no byte of
a second request is left over or taken in. Whatever fails one of these is not an error here: it goes to the parser.

The memo holds no answer and no identity: who asks is found anew from the headers of each request. It is shared by all
connections, bounded in number and in bytes, and emptied when it is full.
"""

from collections.abc import Mapping

from starlink.api.errors import StatusError
from starlink.http.incoming import Incoming
from starlink.http.target import split_target

SHORT = 16 * 1024
"""Bytes of a request that may be remembered."""
_KEPT_HEADS = 1024
_SHORT_HEAD = 4096
_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "PATCH", "DELETE")}
_LINE_END = b" HTTP/1.1\r\n"
_HEAD_END = b"\r\n\r\n"
_SPECIAL = ("transfer-encoding", "expect", "upgrade", "connection")

_heads: dict[bytes, tuple[Mapping[str, str], int]] = {}  # and the body's length, by the bytes after the request line


def known(data: bytes) -> Incoming | None:
    """The request that the bytes are; None where the parser has to look at them."""
    end, start = _head_ends(data)
    found = _heads.get(data[end + 2 : start])
    if found is None or start > _SHORT_HEAD or len(data) - start != found[1]:
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
    return Incoming(method, path, query, found[0], data[start:], True, True, False)


def remember(data: bytes, parsed: Incoming | StatusError) -> None:
    """Remembers the headers of a request that is all of what came, and asks for nothing special."""
    if isinstance(parsed, StatusError) or not parsed.keep or not parsed.chunks or len(data) > SHORT:
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
