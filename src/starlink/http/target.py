"""A request's target: a path and a query."""

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

import httptools

_MAX_PARAMETERS = 200
_SHORT = 512
_KEPT = 2048
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_PLAIN = re.compile(rb"/[!-~]*")


def split_target(target: bytes) -> tuple[str, Mapping[str, str]]:
    """The decoded path and the query of a target as it was sent. Raises ValueError."""
    return _short(target) if len(target) < _SHORT else _split(target)


def _split(target: bytes) -> tuple[str, Mapping[str, str]]:
    raw_path, raw_query = _origin_form(target)
    path = raw_path.decode("ascii")
    if "%" in path:
        if bad := _BAD_ESCAPE.search(path):
            raise ValueError(f'invalid URL escape "{bad[0]}"')
        path = unquote(path, errors="strict")
    return path, parse_query(raw_query) if raw_query else {}


_short = lru_cache(_KEPT)(_split)


def _origin_form(target: bytes) -> tuple[bytes, bytes]:
    if target.startswith(b"/"):
        if _PLAIN.fullmatch(target) is None:
            raise ValueError("only printable ASCII characters may stand in it, others as %XX")
        path, _, query = target.partition(b"?")
        return path, query
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserError:
        raise ValueError("it can't be read as one") from None
    path = url.path or b"/"
    if not path.startswith(b"/"):
        raise ValueError("a path begins with /")
    return path, url.query or b""


def parse_query(raw: bytes) -> Mapping[str, str]:
    """The first value of each parameter. Raises ValueError."""
    pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    return dict(reversed(pairs))
