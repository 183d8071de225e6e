"""The machine's addresses."""

import contextlib
import ipaddress
import socket
import struct

_RTM_NEWADDR, _RTM_GETADDR, _NLMSG_DONE = 20, 22, 3
_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_HEADER, _MESSAGE, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
_LENGTHS = {socket.AF_INET: 4, socket.AF_INET6: 16}


def primary_address() -> str:
    """The address by which other machines most likely know this one: that of the default route, else the first that is
    not loopback, IPv4 before IPv6; "" where there is none. Sends nothing."""
    found = [address for address in machine_addresses() if not ipaddress.ip_address(address).is_loopback]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        found.insert(0, str(probe.getsockname()[0]))
    return next((address for address in found if ":" not in address), next(iter(found), ""))


def machine_addresses() -> list[str]:
    """The addresses of all interfaces but link-local ones, as the kernel tells them (rtnetlink(7)); where it may not
    be asked, those of the host's name."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as kernel:
            kernel.settimeout(1.0)
            kernel.sendto(_HEADER.pack(17, _RTM_GETADDR, _REQUEST_DUMP, 1, 0) + b"\0", (0, 0))
            found = _read_dump(kernel)
    except OSError:
        return _named_addresses()
    return sorted(str(address) for address in found if not address.is_link_local)


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _read_dump(kernel: socket.socket) -> set[Address]:
    found: set[Address] = set()
    while True:
        addresses, done = parse_dump(kernel.recv(64 * 1024))
        found |= addresses
        if done:
            return found


def parse_dump(data: bytes) -> tuple[set[Address], bool]:
    """The addresses in one part of the kernel's answer, and whether it was the last."""
    found: set[Address] = set()
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if kind != _RTM_NEWADDR:
            return found, True
        family = data[_HEADER.size]
        attributes = _attributes(data[_HEADER.size + _MESSAGE.size : length])
        raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS, b"")
        if len(raw) == _LENGTHS.get(socket.AddressFamily(family)):
            found.add(ipaddress.ip_address(raw))
        data = data[_aligned(length) :]
    return found, False


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        found[kind] = data[_ATTRIBUTE.size : length]
        data = data[max(_aligned(length), _ATTRIBUTE.size) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _named_addresses() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(entry[4][0]).partition("%")[0] for entry in found})
