"""CEL's libraries of network addresses: `ip`, `cidr` and `url`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-address-library and the sections after it
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from cel_expr_python import cel

from starlink.apiserver.cel.opaque import BOOL, INT, OPAQUE, STRING, STRINGS, free, member, unwrap, wrap
from starlink.apiserver.schema.urls import parse_url

IP, CIDR, URL = "net.IP", "net.CIDR", "kubernetes.URL"

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_UNRESERVED = "/%:@!$&'()*+,;=~-._"
_QUERY = cel.Type.Map(STRING, STRINGS)


def parse_ip(text: str) -> _Address:
    """Raises ValueError: what is no address, has a zone, or is IPv4 in IPv6."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError(f'IP Address "{text}" parse error during conversion from string: {error}') from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f'IP address "{text}" with zone value is not allowed')
        if address.ipv4_mapped is not None:
            raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return address


def parse_cidr(text: str) -> _Interface:
    """The address with its prefix length; bits after the prefix are kept. Raises ValueError."""
    address, slash, length = text.partition("/")
    try:
        if not slash or not _LENGTH.fullmatch(length):
            raise ValueError("write it as ADDRESS/BITS")
        return ipaddress.ip_interface(f"{parse_ip(address)}/{length}")
    except ValueError as error:
        raise ValueError(f"network address parse error during conversion from string: {error}") from None


def _holds(parse: Callable[[str], Any], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _ip(value: Any) -> _Address:
    return ipaddress.ip_address(unwrap(IP, value))


def _cidr(value: Any) -> _Interface:
    return ipaddress.ip_interface(unwrap(CIDR, value))


def _url(value: Any) -> SplitResult:
    return urlsplit(str(unwrap(URL, value)))


def _text(value: Any) -> str:
    """string() of an address or a network."""
    return str(unwrap(CIDR if CIDR in value else IP, value))


def _is_link_local_multicast(value: Any) -> bool:
    address = _ip(value)
    if address.version == 4:
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address.is_multicast and address.packed[1] & 0x0F == 2


def _is_global_unicast(value: Any) -> bool:
    address = _ip(value)
    broadcast = address == ipaddress.ip_address("255.255.255.255")
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not broadcast and not special


def _contains_ip(network: Any, address: Any) -> bool:
    inner = parse_ip(address) if isinstance(address, str) else _ip(address)
    return inner in _cidr(network).network


def _contains_cidr(network: Any, other: Any) -> bool:
    outer = _cidr(network).network
    inner = (parse_cidr(other) if isinstance(other, str) else _cidr(other)).network
    return outer.version == inner.version and inner.prefixlen >= outer.prefixlen and inner.network_address in outer


def _hostname(value: Any) -> str:
    host = _host(value)
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _host(value: Any) -> str:
    return _url(value).netloc.rpartition("@")[2]


def _port(value: Any) -> str:
    host = _host(value)
    return host.rpartition("]")[2].partition(":")[2]


def _query(value: Any) -> dict[str, list[str]]:
    return parse_qs(_url(value).query, keep_blank_values=True)


OVERLOADS = (
    free("ip", OPAQUE, (STRING,), lambda text: wrap(IP, str(parse_ip(text)))),
    free("isIP", BOOL, (STRING,), lambda text: _holds(parse_ip, text)),
    free("ip.isCanonical", BOOL, (STRING,), lambda text: str(parse_ip(text)) == text),
    member("family", INT, (OPAQUE,), lambda value: _ip(value).version),
    member("isUnspecified", BOOL, (OPAQUE,), lambda value: _ip(value).is_unspecified),
    member("isLoopback", BOOL, (OPAQUE,), lambda value: _ip(value).is_loopback),
    member("isLinkLocalMulticast", BOOL, (OPAQUE,), _is_link_local_multicast),
    member("isLinkLocalUnicast", BOOL, (OPAQUE,), lambda value: _ip(value).is_link_local),
    member("isGlobalUnicast", BOOL, (OPAQUE,), _is_global_unicast),
    free("cidr", OPAQUE, (STRING,), lambda text: wrap(CIDR, str(parse_cidr(text)))),
    free("isCIDR", BOOL, (STRING,), lambda text: _holds(parse_cidr, text)),
    member("containsIP", BOOL, (OPAQUE, STRING), _contains_ip),
    member("containsIP", BOOL, (OPAQUE, OPAQUE), _contains_ip),
    member("containsCIDR", BOOL, (OPAQUE, STRING), _contains_cidr),
    member("containsCIDR", BOOL, (OPAQUE, OPAQUE), _contains_cidr),
    member("ip", OPAQUE, (OPAQUE,), lambda value: wrap(IP, str(_cidr(value).ip))),
    member("masked", OPAQUE, (OPAQUE,), lambda value: wrap(CIDR, str(_cidr(value).network))),
    member("prefixLength", INT, (OPAQUE,), lambda value: _cidr(value).network.prefixlen),
    free("string", STRING, (OPAQUE,), _text),
    free("url", OPAQUE, (STRING,), lambda text: wrap(URL, parse_url(text).geturl())),
    free("isURL", BOOL, (STRING,), lambda text: _holds(parse_url, text)),
    member("getScheme", STRING, (OPAQUE,), lambda value: _url(value).scheme),
    member("getHost", STRING, (OPAQUE,), _host),
    member("getHostname", STRING, (OPAQUE,), _hostname),
    member("getPort", STRING, (OPAQUE,), _port),
    member("getEscapedPath", STRING, (OPAQUE,), lambda value: quote(_url(value).path, safe=_UNRESERVED)),
    member("getQuery", _QUERY, (OPAQUE,), _query),
)
