"""An API server on SQLite with an audit log, and its administrator."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.apiserver.bulk.site import (
    Site,
)
from tests.integration.conftest import Wire

from starlink.apiserver.__main__ import version
from starlink.apiserver.handler import Api
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.precedence import account
from starlink.apiserver.requests.audit import AuditLog
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.kube import Client
from starlink.http.limits import Limits
from starlink.http.server import HttpServer
from starlink.http.tls import TlsContext
from starlink.store.sqlite import SqliteStore


@pytest.fixture
async def site(tmp_path: Path, pki: Pki) -> AsyncIterator[Site]:
    store, tokens = SqliteStore(tmp_path / "s.db"), TokenIssuer(pki.token_key)
    authenticator = Authenticator(tokens, encoding.finder(store), time.time)
    path = tmp_path / "audit.log"
    audit = AuditLog(path, time.time, later=asyncio.get_running_loop().call_soon)
    api = Api(
        store, Registry(builtin_resources()), tokens, authenticate=authenticator.of_token, audit=audit,
        version=version(), now=time.time, clock=time.monotonic, rng=random.Random(1),
    )  # fmt: skip
    await api.start()
    server = HttpServer(
        api.handle, authenticator, refused=api.refused, precheck=api.precheck, notes=audit, account=account,
        limits=Limits(handled_per_user=50),
    )  # fmt: skip
    port = await server.start("127.0.0.1", 0, TlsContext(*pki.server(["127.0.0.1"]), pki.ca))
    yield Site(Wire(port, pki), api, server, path)
    await server.stop()
    await api.stop()
    audit.close()


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Client]:
    async with Client(site.wire.config()) as made:
        yield made
