"""What the connections of one server share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlink.apiserver.authentication import Authenticator
from starlink.apiserver.dispatch import Dispatcher
from starlink.apiserver.fairness import Budget, Quota
from starlink.apiserver.limits import Limits
from starlink.apiserver.tls import TlsContext

_ROOM = 64 * 1024


@dataclass
class Channels:
    """For the sockets. `clock` gives seconds of any beginning; `room` is what each reads into,
    and takes from at once."""

    limits: Limits
    tls: TlsContext
    clock: Callable[[], float]
    admitted: Quota
    open: set[Any]
    stopping: bool = False
    refused: int = 0
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    room: memoryview = field(default_factory=lambda: memoryview(bytearray(_ROOM)))


@dataclass
class Service:
    """For the requests. `date` is the header line of this second."""

    channels: Channels
    authenticator: Authenticator
    dispatcher: Dispatcher
    bodies: Budget
    streams: Quota
    date: bytes = b""
