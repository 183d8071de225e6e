"""Addresses at which something is reached: IPv4, IPv6, or names. Pure.

https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/apis/discovery/validation/validation.go
https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/apis/core/validation/validation.go (ValidateEndpointIP)
"""

import ipaddress
import re
from collections.abc import Iterator

from starlink.api.errors import Cause
from starlink.apiserver.schema.causes import invalid, required
from starlink.apiserver.schema.formats import subdomain_faults

NAME = "FQDN"
LONGEST_LABEL = 63

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_LEADING_ZEROS = re.compile(r"\b0+(?=\d)")
_LOCAL_MULTICAST = tuple(map(ipaddress.ip_network, ("224.0.0.0/24", "ff02::/16")))


def check(kind: str, address: str, field: str) -> Iterator[Cause]:
    """Why an EndpointSlice of the addressType `kind` refuses `address`, which stands in `field`."""
    if kind == NAME:
        yield from _check_name(address, field)
        return
    found = _parsed(address)
    if found is None or f"IPv{found.version}" != kind:
        yield invalid(field, address, f"must be a valid {kind} address")
    if found is None:
        yield invalid(field, address, "must be a valid IP address")
    else:
        yield from (invalid(field, address, why) for why in _reserved(found))


def _parsed(text: str) -> _Address | None:
    """As Go reads it: zeros may lead, and an IPv4 address is one in the words of IPv6 too."""
    try:
        found = ipaddress.ip_address(text if ":" in text else _LEADING_ZEROS.sub("", text))
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return found
    return None if found.scope_id else found.ipv4_mapped or found


def _reserved(address: _Address) -> Iterator[str]:
    """Addresses that mean another thing on each machine."""
    if address.is_unspecified:
        yield f"may not be unspecified ({address})"
    if address.is_loopback:
        yield "may not be in the loopback range (127.0.0.0/8, ::1/128)"
    if address.is_link_local:
        yield "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
    if any(address in network for network in _LOCAL_MULTICAST):
        yield "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"


def _check_name(name: str, field: str) -> Iterator[Cause]:
    if not name:
        yield required(field)
        return
    wrong = subdomain_faults(name.removesuffix("."))
    yield from (invalid(field, name, why) for why in wrong)
    if wrong:
        return
    labels = name.removesuffix(".").split(".")
    if len(labels) < 2:
        yield invalid(field, name, "should be a domain with at least two segments separated by dots")
    for label in labels:
        if len(label) > LONGEST_LABEL:
            yield invalid(field, label, f"must be no more than {LONGEST_LABEL} characters")
