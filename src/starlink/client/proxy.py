"""Which proxy leads to an API server, by its kubeconfig or by the environment, as kubectl decides it. Pure."""

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from starlink.client.errors import BadConfig

SCHEMES = ("http",)
EXAMPLE = "http://proxy.example.com:3128"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that takes CONNECT, by its URL, in which a password may be."""

    url: str = field(repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    @property
    def authorization(self) -> str:
        """The header that says who asks, "" for none."""
        parts = urlsplit(self.url)
        if parts.username is None:
            return ""
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return f"Basic {base64.b64encode(secret.encode()).decode()}"

    @property
    def shown(self) -> str:
        """The URL without what is secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def of_environment(server: str, environment: Mapping[str, str]) -> Proxy | None:
    """What HTTPS_PROXY (HTTP_PROXY for a server without TLS) names, unless NO_PROXY, or loopback, says that the server
    is dialled directly. Raises BadConfig."""
    parts = urlsplit(server)
    name = "HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY"
    url = environment.get(name) or environment.get(name.lower()) or ""
    excepted = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not url or is_direct(parts.hostname or "", port, excepted):
        return None
    if "://" not in url:
        url = f"http://{url}"
    try:
        given = urlsplit(url)
        usable = given.scheme in SCHEMES and bool(given.hostname) and given.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadConfig(f"{name}: it must be a URL such as {EXAMPLE}, or empty")
    return Proxy(url)


def is_direct(host: str, port: int, excepted: str) -> bool:
    """Whether a host is dialled without a proxy: it is loopback, or named in a list of names, domains, addresses and
    networks, each with or without a port, or of `*`."""
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_names(word.strip().lower(), host.lower(), address, port) for word in excepted.split(","))


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _names(word: str, host: str, address: _Address | None, port: int) -> bool:
    if word == "*":
        return True
    name, colon, wanted = word.rpartition(":")
    if colon and wanted.isdigit() and (":" not in name or name.endswith("]")):
        if int(wanted) != port:
            return False
        word = name
    word = word.removeprefix("[").removesuffix("]")
    if not word:
        return False
    if address is not None:
        return _holds(word, address)
    domain = word.removeprefix("*").removeprefix(".")
    return host.endswith(f".{domain}") or (host == domain and not word.startswith((".", "*.")))


def _holds(word: str, address: _Address) -> bool:
    try:
        return address in ipaddress.ip_network(word, strict=False)
    except (ValueError, TypeError):
        return False


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
