"""The API server's core in this process, over the memory store: requests in, answers out, no wire."""

import contextlib
import datetime
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlink.apiserver.__main__ import version
from starlink.apiserver.handler import Api
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.http.message import Parts, Request, Response, Stream, User
from starlink.store.memory import MemoryStore

ADMIN = User("admin", ("system:masters",))
AGENT = User("system:serviceaccount:starlink-servers:s1", ("system:serviceaccounts", "system:authenticated"))


@contextlib.asynccontextmanager
async def core(folder: Path) -> AsyncIterator[Api]:
    """A core that is started; `folder` takes its keys."""
    pki = Pki(folder, datetime.datetime.now(datetime.UTC))
    store, tokens = MemoryStore(), TokenIssuer(pki.token_key)
    authenticator = Authenticator(tokens, encoding.finder(store), time.time)
    api = Api(
        store, Registry(builtin_resources()), tokens, authenticate=authenticator.of_token,
        version=version(), now=time.time, clock=time.monotonic, rng=random.Random(1),
    )  # fmt: skip
    await api.start()
    try:
        yield api
    finally:
        await api.stop()


async def answered(api: Api, request: Request) -> Response | Stream:
    """The answer, of one that is made of others' too: these are asked for one after another."""
    answer = await api.handle(request)
    if not isinstance(answer, Parts):
        return answer
    parts = [await answered(api, part) for part in answer.requests]
    return answer.join([part for part in parts if isinstance(part, Response)])
