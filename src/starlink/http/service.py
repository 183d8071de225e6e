"""What the connections of one server share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlink.api.errors import StatusError
from starlink.http.authorities import Authorities
from starlink.http.bodies import Bodies
from starlink.http.dispatch import Dispatcher
from starlink.http.fairness import Account, Quota
from starlink.http.limits import Limits
from starlink.http.message import Request, User
from starlink.http.outbox import Outbox
from starlink.http.strangers import Strangers
from starlink.http.tls import TlsContext

_ROOM = 64 * 1024


class Authenticator(Protocol):
    """Knows who asks."""

    def user(self, authorization: str, certificate: bytes = b"", authorities: Authorities | None = None) -> User:
        """The user of a request, by its Authorization header and its client's certificate in DER, for which
        `authorities` may vouch. Raises StatusError 401."""

    def claimed(self, authorization: str, certificate: bytes = b"") -> str:
        """Who a request claims to come from, of which nothing need be true."""


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
    """For the requests. `account` gives the account of one; `date` is the header line of this second."""

    channels: Channels
    authenticator: Authenticator
    dispatcher: Dispatcher
    bodies: Bodies
    streams: Quota
    refused: Refused
    precheck: Precheck
    account: Callable[[Request], Account]
    outbox: Outbox
    date: bytes = b""
