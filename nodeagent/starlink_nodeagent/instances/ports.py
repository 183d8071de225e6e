"""Ports of instances: fixed ones are checked, others picked from a range and kept."""

import socket
from collections.abc import Iterable

from starlink.api.template import Port
from starlink_nodeagent.failures.failure import Failure

FIRST, LAST = 20_000, 29_999


def assign(ports: Iterable[Port], uid: str, taken: Iterable[int]) -> dict[str, int]:
    """A number for each port. Picks start at a place that the UID gives. Raises Failure (PortRangeExhausted)."""
    used = set(taken)
    assigned: dict[str, int] = {}
    for port in ports:
        number = port.port or _pick(uid, used)
        used.add(number)
        assigned[port.name] = number
    return assigned


def _pick(uid: str, used: set[int]) -> int:
    size = LAST - FIRST + 1
    start = int(uid.replace("-", "")[:8] or "0", 16) % size
    for step in range(size):
        number = FIRST + (start + step) % size
        if number not in used and is_free(number):
            return number
    raise Failure("PortRangeExhausted", f"no port from {FIRST} to {LAST} is free on this server")


def check_fixed(ports: Iterable[Port]) -> None:
    """Raises Failure (PortInUse) when a fixed port is taken."""
    for port in ports:
        if port.port and not is_free(port.port):
            raise Failure(
                "PortInUse",
                f"port {port.port} ({port.name}) is in use by another process of this server; "
                "free it, give another number, or 0 to have one picked",
            )


def is_free(number: int) -> bool:
    """Whether nothing listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", number))
        except OSError:
            return False
        return True
