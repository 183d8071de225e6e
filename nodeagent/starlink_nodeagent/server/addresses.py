"""At which address this server's instances are reached: the one from which the API is dialled.

So it is one that the others' network leads to, also where there is no default route or there are several networks; and
loopback only where the API is on loopback, and so everything is.
"""

import asyncio
import socket

LOOPBACK = "127.0.0.1"


async def towards(host: str, port: int) -> str:
    """The address from which `host` is dialled now; loopback while there is no way to it. Sends nothing to it."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError:
        return LOOPBACK
    return next(filter(None, (_source(family, address) for family, _, _, _, address in found)), LOOPBACK)


def _source(family: int, address: tuple[object, ...]) -> str:
    """Connecting a datagram socket only looks up the route; "" where there is none."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address)
        except OSError:
            return ""
        return str(probe.getsockname()[0])
