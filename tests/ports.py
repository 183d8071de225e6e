"""Ports of loopback for servers that tests start, and start again.

They lie below those that the system gives to outgoing connections and those that agents give to tasks, and each process
of the tests begins elsewhere: nobody else takes one before its server listens, or while it is down.
"""

import os
import socket

_FIRST, _COUNT = 10_000, 10_000
_next = os.getpid() * 101


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, and that this process is not given again for long."""
    return [_free_port() for _ in range(count)]


def _free_port() -> int:
    global _next
    for _ in range(_COUNT):
        _next += 1
        port = _FIRST + _next % _COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port from {_FIRST} on is free")
