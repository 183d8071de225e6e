"""An API server in this process: over the memory store for the core, with TLS for the wire.

Tests that are marked `on_both` go over the wire to this one and to a real Kubernetes.
"""

import asyncio
import datetime
import functools
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.kube.control_plane import ControlPlane
from tests.kube.installed import clear
from tests.turns import KUBERNETES

from starlink.api.kinds import Kind
from starlink.apiserver import bootstrap, handler
from starlink.apiserver.__main__ import version
from starlink.apiserver.handler import Api
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.precedence import account
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.encoding import raw
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.authorization import roles
from starlink.apiserver.security.authorization.authorizer import CLUSTER_ROLES
from starlink.apiserver.security.certificates.issuing import authority_signer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.config import Config
from starlink.client.kube import Client
from starlink.http.message import Request, Response, Stream, User
from starlink.http.server import HttpServer
from starlink.http.tls import TlsContext
from starlink.manifest import load
from starlink.store.base import Event
from starlink.store.memory import MemoryStore

ADMIN = User("admin", ("system:masters",))
TASKS = "/apis/starlink.dev/v1alpha1/namespaces/default/tasks"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "on_both: asks StarLink's API server and a real Kubernetes over the wire")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("on_both"):
        metafunc.parametrize("elsewhere", ("starlink", KUBERNETES), indirect=True)


def agent(server: str) -> User:
    return User(f"system:serviceaccount:starlink-servers:{server}", ("system:authenticated",))


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


class Core:
    """The core, asked as a client would."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def __call__(
        self, method: str, path: str, body: Any = None, *, user: User = ADMIN, media: str = "application/json",
        accept: str = "", **query: str,
    ) -> Answer:  # fmt: skip
        content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"content-type": media} | ({"accept": accept} if accept else {})
        answer = await self.api.handle(Request(method, path, query, headers, content, user))
        assert isinstance(answer, Response), "a stream was not expected"
        is_json = answer.headers.get("content-type", "").startswith("application/json") and answer.body
        return Answer(answer.status, msgspec.json.decode(answer.body) if is_json else answer.body, dict(answer.headers))

    async def merge(self, path: str, patch: Any, **options: Any) -> Answer:
        return await self("PATCH", path, patch, media="application/merge-patch+json", **options)

    async def watch(self, path: str, *, user: User = ADMIN, accept: str = "", **query: str) -> AsyncIterator[Any]:
        headers = {"accept": accept} if accept else {}
        stream = await self.api.handle(Request("GET", path, {"watch": "true", **query}, headers, b"", user))
        if isinstance(stream, Response):
            raise AssertionError(f"refused: {stream.body!r}")
        assert isinstance(stream, Stream)
        return self._lines(stream)

    async def _lines(self, stream: Stream) -> AsyncIterator[Any]:
        async for chunk in stream.chunks:
            for line in chunk.splitlines():
                yield msgspec.json.decode(line)


def task(name: str, **spec: Any) -> dict[str, Any]:
    spec.setdefault("template", {"command": ["run"]})
    return {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": name}, "spec": spec}


def obj_of(kind: Kind, name: str, **parts: Any) -> dict[str, Any]:
    """An object of a kind, cluster-scoped or of the namespace of the request's path."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, **parts}


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"), datetime.datetime.now(datetime.UTC))


@pytest.fixture(scope="session")
def first_start(pki: Pki) -> Sequence[Event]:
    """What an API server writes that starts on an empty store, in order."""
    return asyncio.run(_first_start(pki))


async def _first_start(pki: Pki) -> Sequence[Event]:
    made = _api(MemoryStore(), pki, random.Random(2))  # whose uids no test makes again
    with pytest.MonkeyPatch.context() as patched:
        for module in (bootstrap, roles):
            patched.setattr(module, "load", _loaded)
        await made.start()
    await gathered(made)
    written = made.store.watch(None, None, 0).take()
    await made.stop()
    return written


async def gathered(api: Api) -> None:
    """Until the aggregated roles have the rules that are gathered beside the start."""
    await soon(lambda: all(raw(role).get("rules") for role in api.store.list(CLUSTER_ROLES)), "roles have rules")


@pytest.fixture
async def api(pki: Pki, first_start: Sequence[Event]) -> AsyncIterator[Api]:
    """One that has started before, and finds all that it would write then."""
    store = MemoryStore()
    for event in first_start:
        await store.put(event.record.key, event.record.body, expect=event.previous.revision if event.previous else 0)
    made = _api(store, pki, random.Random(1))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(handler, "bootstrap", _nothing)
        await made.start()
    yield made
    await made.stop()


async def _nothing(*_: object) -> None:
    """There is nothing to make."""


def _api(store: MemoryStore, pki: Pki, rng: random.Random) -> Api:
    tokens = TokenIssuer(pki.token_key)
    authenticator = Authenticator(tokens, encoding.finder(store), time.time)
    return Api(
        store, Registry(_builtin()), tokens, authenticate=authenticator.of_token,
        version=version(), now=time.time, clock=time.monotonic, rng=rng,
        sign=authority_signer(pki.ca, pki.folder / "ca.key"),
    )  # fmt: skip


_builtin = functools.cache(builtin_resources)
"""They never change, and their schemas are compiled once in all tests."""


def _loaded(path: Path) -> Any:
    """What `load` gives of a file that ships with StarLink, for which the text is read once in all tests."""
    return msgspec.json.decode(_document(path))


@functools.cache
def _document(path: Path) -> bytes:
    return msgspec.json.encode(load(path))


@pytest.fixture
def core(api: Api) -> Core:
    return Core(api)


@dataclass
class Wire:
    """A server that listens on loopback with TLS."""

    port: int
    pki: Pki

    def config(self, user: str = "admin", groups: tuple[str, ...] = ("system:masters",), token: str = "") -> Config:
        url = f"https://127.0.0.1:{self.port}"
        if token:
            return Config(url, self.pki.ca.read_bytes(), token=token)
        certificate, key = self.pki.client(user, groups)
        return Config(url, self.pki.ca.read_bytes(), certificate.read_bytes(), key.read_bytes())


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest) -> ControlPlane | None:
    """The Kubernetes that the test asks in place of the API server in this process."""
    asked = getattr(request, "param", "") == KUBERNETES
    return request.getfixturevalue("starlink_on_kubernetes") if asked else None


@pytest.fixture
async def wire(api: Api, pki: Pki, elsewhere: ControlPlane | None) -> AsyncIterator[Wire]:
    if elsewhere is not None:
        there = Wire(elsewhere.port, elsewhere.pki)
        yield there
        async with Client(there.config()) as client:
            await clear(client)
        return
    certificate, key = pki.server(["127.0.0.1"])
    tokens = TokenIssuer(pki.token_key)
    authenticator = Authenticator(tokens, encoding.finder(api.store), time.time)
    server = HttpServer(api.handle, authenticator, precheck=api.precheck, account=account)
    port = await server.start("127.0.0.1", 0, TlsContext(certificate, key, pki.ca))
    yield Wire(port, pki)
    await server.stop()


@pytest.fixture
async def client(wire: Wire) -> AsyncIterator[Client]:
    async with Client(wire.config()) as made:
        yield made
