"""What the connections of one server share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlink.apiserver.errors import StatusError
from starlink.apiserver.fairness import Quota
from starlink.apiserver.http.bodies import Bodies
from starlink.apiserver.http.dispatch import Dispatcher
from starlink.apiserver.http.limits import Limits
from starlink.apiserver.http.outbox import Outbox
from starlink.apiserver.http.strangers import Strangers
from starlink.apiserver.http.tls import TlsContext
from starlink.apiserver.identity.authentication import Authenticator
from starlink.apiserver.message import Request

_ROOM = 64 * 1024

Refused = Callable[[Request, str, str], None]
"""Takes a request whose credentials are not good, why they are not, and who it claims to come from."""

Precheck = Callable[[Request], StatusError | None]
"""Takes a request whose body has not come. Gives the refusal, if the request is refused whatever its body says."""


@dataclass
class Channels:
    """For the sockets. `clock` gives seconds of any beginning; `room` is what each reads into,
    and takes from at once."""

    limits: Limits
    tls: TlsContext
    clock: Callable[[], float]
    admitted: Quota
    open: set[Any]
    strangers: Strangers = field(default_factory=Strangers)
    stopping: bool = False
    refused: int = 0
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    room: memoryview = field(default_factory=lambda: memoryview(bytearray(_ROOM)))

    @property
    def has_room_to_refuse(self) -> bool:
        """Whether another that is above the limit may be told so."""
        return len(self.open) - self.admitted.taken < self.limits.connections_refused


@dataclass
class Service:
    """For the requests. `date` is the header line of this second."""

    channels: Channels
    authenticator: Authenticator
    dispatcher: Dispatcher
    bodies: Bodies
    streams: Quota
    refused: Refused
    precheck: Precheck
    outbox: Outbox
    date: bytes = b""
