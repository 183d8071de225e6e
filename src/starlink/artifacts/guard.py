"""Which addresses may be fetched from when a stranger chooses the URL. Pure: addresses in, a refusal out."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "fd00:ec2::23",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
        ),
    )
)
"""Where clouds hand out credentials:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html,
https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata,
https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Private networks are allowed, since labs live there; loopback and link-local ones only with `allow_local`.

    What nobody serves an artifact from is never allowed: multicast, unspecified and reserved addresses, and the
    metadata services of clouds.
    """

    allow_local: bool = False

    def refusal(self, address: str) -> str:
        """What kind of address it is when it may not be connected to, such as `a loopback address`; else "".

        Takes the address that the connection is made to, never a name: a name may mean another address a moment
        later. Raises ValueError for what is no IP address.
        """
        meant = _meant(ip_address(address))
        return _never(meant) or ("" if self.allow_local else _local(meant))


def _never(address: Address) -> str:
    if address in _METADATA:
        return "a cloud's metadata address"
    if address.is_unspecified or (address.version == 4 and address.packed[0] == 0):
        return "an unspecified address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_reserved and not address.is_loopback:
        return "a reserved address"
    return ""


def _local(address: Address) -> str:
    if address.is_loopback:
        return "a loopback address"
    return "a link-local address" if address.is_link_local else ""


def _meant(address: Address) -> Address:
    """Where a connection ends: an IPv4 address may be written inside an IPv6 one.

    RFC 4291 2.5.5.2 (mapped), RFC 6052 2.1 (NAT64), RFC 3056 (6to4) and RFC 4380 (Teredo).
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
