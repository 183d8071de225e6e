"""URLs as Go reads them. Pure."""

import re
from urllib.parse import SplitResult, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(%25[^\]\s]+)?\]|[^\s\[\]:<>\"^`{|}\\]*)(:[0-9]*)?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_url(text: str) -> SplitResult:
    """An absolute URI or an absolute path. Raises ValueError."""
    try:
        return _parsed_url(text)
    except ValueError as error:
        why = f'parse "{text}": {error}'
        raise ValueError(f"URL parse error during conversion from string: {why}") from None


def _parsed_url(text: str) -> SplitResult:
    if not text:
        raise ValueError("empty url")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError("net/url: invalid control character in URL")
    if not text.startswith("/") and not _SCHEME.match(text):
        raise ValueError("invalid URI for request")
    split = urlsplit(text)
    host = split.netloc.rpartition("@")[2]
    if not _HOST.fullmatch(host):
        raise ValueError(f'invalid character or port in host name "{host}"')
    if _BAD_ESCAPE.search(split.path):
        raise ValueError("invalid URL escape")
    return split
