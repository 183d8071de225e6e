"""How another machine reaches an API server: what its certificate and this machine say of that."""

import asyncio
import ipaddress
import socket

from starlink.cli.hints import Command
from starlink.cli.joining import Certificate, Machine, Way, way
from starlink.cli.listening import is_loopback
from starlink.client.config import Config
from starlink.client.errors import Unreachable
from starlink.client.http import CONNECT_SECONDS
from starlink.http.reasons import why


async def way_of(config: Config, command: Command, wanted: str = "") -> Way:
    """The way to the API server of the configuration, or the URL that a person names, once it is found good. Raises
    NotReached, Unreachable."""
    from starlink.http.addresses import machine_addresses, primary_address

    certificate = await _certificate_of(config)
    own = [address for address in machine_addresses() if address in certificate.addresses]
    answered = [address for address in own if await _answers(address, config.port)]
    dialled = f"https://127.0.0.1:{config.port}" if await _on_loopback(config.host) else config.server
    return way(dialled, certificate, Machine(socket.gethostname(), primary_address(), answered), command, wanted)


async def _certificate_of(config: Config) -> Certificate:
    """Whom the API server's certificate names. Raises Unreachable."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            tls, name = config.tls(), config.server_name or config.host
            _, writer = await asyncio.open_connection(
                config.host, config.port, ssl=tls, server_hostname=name if tls else None
            )
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"{config.server} can't be reached: {why(error)}") from None
    shown = (writer.get_extra_info("peercert") or {}).get("subjectAltName", ())
    writer.close()
    addresses = [str(ipaddress.ip_address(value)) for kind, value in shown if kind == "IP Address"]
    return Certificate([value for kind, value in shown if kind == "DNS"], addresses)


async def _on_loopback(host: str) -> bool:
    """Also of a name: many machines call themselves 127.0.1.1."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(is_loopback(str(entry[4][0])) for entry in found)


async def _answers(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
