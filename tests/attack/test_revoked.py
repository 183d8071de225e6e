"""Who is shut out while its watch is idle: the watch ends by itself, and a refused request leaves a line."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.attack.test_clock import NINE_DAYS, Clock, clock, jumpy
from tests.conftest import DEADLINE, soon
from tests.integration.apiserver.test_revocation import (
    NAMESPACE,
    SECRET,
    acting,
    add_account,
    add_bootstrap_token,
    token_of,
)
from tests.integration.conftest import Wire

from starlink.api.kinds import SERVER, SERVICE_ACCOUNT
from starlink.apiserver.handler import Api
from starlink.apiserver.precedence import account
from starlink.apiserver.requests.audit import MOST_TEXT, AuditLog
from starlink.apiserver.requests.refusals import MOST, MOST_OF_ONE, Refusals
from starlink.apiserver.resources import encoding
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.claims import claimed
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.errors import ApiError
from starlink.client.kube import Client
from starlink.http.server import HttpServer
from starlink.http.tls import TlsContext

__all__ = ["clock", "jumpy"]


async def ended(client: Client, server: str, end: Callable[[], Awaitable[Any]]) -> list[Any]:
    """All that an idle watch of an object still brings once `end` has been done."""
    version = int((await client.get(SERVER, server))["metadata"]["resourceVersion"])
    watch = client.watch(SERVER, resource_version=str(version - 1), field_selector=f"metadata.name={server}")
    brought: list[Any] = []

    async def read() -> None:
        async for event in watch:
            if event.type != "BOOKMARK":
                brought.append(event)

    watching = asyncio.create_task(read())
    await soon(lambda: brought or watching.done(), "the last change, which tells that the watch is open")
    assert not watching.done()
    await end()
    async with asyncio.timeout(DEADLINE):
        await watching
    return brought[1:]


async def test_an_idle_watch_ends_with_its_account(wire: Wire, client: Client) -> None:
    await add_account(client, "s1")
    await client.create(SERVER, {"metadata": {"name": "s1"}})
    async with acting(wire, token=await token_of(client, "s1")) as agent:
        assert await ended(agent, "s1", lambda: client.delete(SERVICE_ACCOUNT, "s1", NAMESPACE)) == []


async def test_an_idle_watch_ends_with_its_token(jumpy: Wire, pki: Pki, clock: Clock) -> None:
    async with Client(jumpy.config()) as admin:
        uid = await add_account(admin, "s1")
        await admin.create(SERVER, {"metadata": {"name": "s1"}})

    async def jump() -> None:
        clock.at += NINE_DAYS

    token = TokenIssuer(pki.token_key).issue(NAMESPACE, "s1", uid, 3600, clock())[0]
    async with acting(jumpy, token=token) as agent:
        assert await ended(agent, "s1", jump) == []


async def test_an_idle_watch_ends_with_a_certificate(jumpy: Wire, clock: Clock) -> None:
    async def jump() -> None:
        clock.at += 400 * 24 * 3600

    async with Client(jumpy.config()) as admin:
        await admin.create(SERVER, {"metadata": {"name": "s1"}})
        assert await ended(admin, "s1", jump) == []


async def test_an_idle_watch_ends_with_a_bootstrap_token(wire: Wire, client: Client) -> None:
    token = await add_bootstrap_token(client, "system:bootstrappers:watchers")
    role = {"metadata": {"name": "w"}, "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["servers"]}]}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "w"}
    subject = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:bootstrappers:watchers"}
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    await client.raw("POST", f"{rbac}/clusterroles", body=role)
    binding = {"metadata": {"name": "w"}, "roleRef": ref, "subjects": [subject]}
    await client.raw("POST", f"{rbac}/clusterrolebindings", body=binding)
    await client.create(SERVER, {"metadata": {"name": "s1"}})
    async with acting(wire, token=token) as joining:
        end = lambda: client.delete(SECRET, "bootstrap-token-abcdef", "kube-system")  # noqa: E731
        assert await ended(joining, "s1", end) == []


async def test_others_watch_on(wire: Wire, client: Client) -> None:
    for server in ("s1", "s2"):
        await add_account(client, server)
        await client.create(SERVER, {"metadata": {"name": server}})
    version = (await client.get(SERVER, "s2"))["metadata"]["resourceVersion"]
    async with (
        acting(wire, token=await token_of(client, "s1")) as one,
        acting(wire, token=await token_of(client, "s2")) as two,
    ):
        watch = two.watch(SERVER, resource_version=version, field_selector="metadata.name=s2")
        first = asyncio.ensure_future(anext(watch))
        await ended(one, "s1", lambda: client.delete(SERVICE_ACCOUNT, "s1", NAMESPACE))
        await client.patch(SERVER, "s2", {"metadata": {"labels": {"told": "after"}}})
        assert b"after" in bytes((await first).object)
        await watch.aclose()


# What is written down


@pytest.fixture
def ends() -> list[Callable[[], None]]:
    """What ends the windows of refusals; they last until a test calls it."""
    return []


@pytest.fixture
async def audited(
    api: Api, pki: Pki, tmp_path: Path, ends: list[Callable[[], None]]
) -> AsyncIterator[tuple[Wire, Path]]:
    """A server with an audit log."""
    file = tmp_path / "audit.log"
    log = AuditLog(file, time.time)
    api._audit, api._refusals = log, Refusals(log, lambda _, end: ends.append(end))
    authenticator = Authenticator(TokenIssuer(pki.token_key), encoding.finder(api.store), time.time)
    server = HttpServer(api.handle, authenticator, refused=api.refused, account=account)
    port = await server.start("127.0.0.1", 0, TlsContext(*pki.server(["127.0.0.1"]), pki.ca))
    yield Wire(port, pki), file
    await server.stop()
    log.close()


def lines(file: Path) -> list[Any]:
    return [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]


async def test_refused_credentials_are_written_down(audited: tuple[Wire, Path], pki: Pki, tmp_path: Path) -> None:
    wire, file = audited
    good = TokenIssuer(pki.token_key).issue(NAMESPACE, "s1", "gone", 3600, time.time())[0]
    head, payload, signature = good.split(".")
    forged = f"{head}.{payload}.{signature[::-1]}"
    for token in (good, forged, "abcdef.0123456789abcdef", "nonsense-of-a-secret"):
        async with acting(wire, token=token) as agent:
            with pytest.raises(ApiError) as refused:
                await agent.raw("GET", "/api/v1/namespaces/default/secrets/x")
            assert refused.value.code == 401
    stranger = Pki(tmp_path / "other", pki._now)
    pair = tuple(path.read_bytes() for path in stranger.client("root", ["system:masters"]))
    async with acting(wire, pair=(pair[0], pair[1])) as agent:
        with pytest.raises(ApiError):
            await agent.raw("GET", "/version")
    told = lines(file)
    assert [line["claimed"] for line in told] == [
        "token of system:serviceaccount:starlink-servers:s1", "token of system:serviceaccount:starlink-servers:s1",
        "token of system:bootstrap:abcdef", "token of nobody", "certificate of root",
    ]  # fmt: skip
    for line in told[:4]:
        assert (line["code"], line["verb"], line["resource"], line["name"]) == (401, "get", "secrets", "x")
        assert line["requestURI"] == "/api/v1/namespaces/default/secrets/x" and line["sourceIP"] == "127.0.0.1"
        assert line["reason"].startswith("Unauthorized: ")
    written = file.read_text()
    for secret in (payload, signature, signature[::-1], "0123456789abcdef", "nonsense-of-a-secret"):
        assert secret not in written


async def test_a_line_is_bounded_and_obeyed_by_nobody(audited: tuple[Wire, Path]) -> None:
    wire, file = audited
    agent = "\x9b31m\u202e" + "a" * 20_000
    for headers, path in (({"User-Agent": agent, "Authorization": "Bearer x"}, "/a"), ({"User-Agent": agent}, "/b")):
        async with acting(wire) as client:
            with pytest.raises(ApiError):
                await client.raw("POST", f"/api/v1/namespaces{path * 3000}/configmaps", headers=headers, body={})
            with pytest.raises(ApiError):
                await client.raw("POST", "/api/v1/namespaces/x/configmaps", headers=headers, body={})
    written = file.read_bytes()
    assert all(len(line) < 16 * MOST_TEXT for line in written.splitlines())
    text = written.decode()
    assert "\x9b" not in text and "\u202e" not in text
    assert len(lines(file)) == 3  # a path that is nothing is no request of a resource


async def test_a_flood_of_strangers_pushes_nobody_out(
    audited: tuple[Wire, Path], ends: list[Callable[[], None]]
) -> None:
    wire, file = audited
    async with acting(wire, token="x") as client, acting(wire) as nobody:
        for _ in range(3 * MOST_OF_ONE):
            for stranger in (client, nobody):
                with pytest.raises(ApiError):
                    await stranger.raw("POST", "/api/v1/namespaces/x/configmaps", body={})
    (end,) = ends
    end()
    *whole, others = lines(file)
    assert len(whole) == MOST_OF_ONE and all("code" in line for line in whole)
    assert others["reason"] == f"{5 * MOST_OF_ONE} more refused requests within a second"


def test_a_flood_from_everywhere_is_counted(tmp_path: Path) -> None:
    log, later = AuditLog(tmp_path / "audit.log", lambda: 0.0), list[Any]()
    refusals = Refusals(log, lambda seconds, call: later.append(call))
    for number in range(10_000):
        refusals.write(f"10.0.{number // 256}.{number % 256}", {"n": number})
    (end,) = later
    end()
    told = lines(tmp_path / "audit.log")
    assert len(told) == 2 * MOST + 1
    assert (
        told[-1]["reason"]
        == f"{10_000 - 2 * MOST} more refused requests from {10_000 - 2 * MOST} further addresses within a second"
    )
    refusals.write("10.0.0.1", {"n": 0})
    assert len(later) == 2
    log.close()


@pytest.mark.parametrize(
    ("authorization", "who"),
    [
        ("Bearer ", "token of nobody"),
        ("Basic dXNlcjpwYXNz", "no bearer token"),
        ("Bearer a.b.c", "token of nobody"),
        ("Bearer a.eyJzdWIiOjF9.c", "token of nobody"),
        ("Bearer a.eyJzdWIiOiJqYW5lIn0.c", "token of jane"),
        ("", "nobody"),
    ],
)
def test_what_a_request_claims(authorization: str, who: str) -> None:
    assert claimed(authorization) == who
    assert claimed("", b"\x30\x03junk") == "certificate of nobody"
