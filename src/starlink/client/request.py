"""The bytes of a request."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from starlink.client.config import Config
from starlink.client.errors import BadConfig, Unreachable


def encode(
    who: Config, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> bytes:
    """A request to the server of a configuration, by whom it names. Raises Unreachable."""
    path = f"{urlsplit(who.server).path}{path}"
    target = f"{path}?{urlencode(query)}" if query else path
    lines = [f"{method} {target} HTTP/1.1", f"Host: {who.host}:{who.port}"]
    if bearer := _bearer(who):
        lines.append(f"Authorization: Bearer {bearer}")
    lines += [f"{name}: {value}" for name, value in who.headers]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method != "GET":  # which means nothing by a body (RFC 9110, section 9.3.1)
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _bearer(who: Config) -> str:
    """The token as its file has it now. Raises Unreachable: the file may be good again at the next try."""
    try:
        return who.bearer()
    except BadConfig as error:
        raise Unreachable(str(error)) from None
