"""An API that a test comes in between, and a clock that it sets."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.integration.conftest import Wire

from starlink.apiserver.handler import Api
from starlink.apiserver.precedence import account
from starlink.apiserver.resources import encoding
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.kube import Client
from starlink.http.dispatch import Handle
from starlink.http.server import HttpServer
from starlink.http.tls import TlsContext


@dataclass
class Clock:
    """Monotonic, as far as the test lets it go."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def client_through(between: Handle, api: Api, pki: Pki) -> AsyncIterator[Client]:
    """A client of a server whose requests go through `between`; it waits half a second for an answer."""
    certificate, key = pki.server(["127.0.0.1"])
    server = HttpServer(
        between, Authenticator(TokenIssuer(pki.token_key), encoding.finder(api.store), time.time), account=account
    )
    port = await server.start("127.0.0.1", 0, TlsContext(certificate, key, pki.ca))
    async with Client(Wire(port, pki).config(), timeout=0.5) as made:
        yield made
    await server.stop()
