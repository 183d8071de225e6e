"""The clock jumps nine days, forward or back: identities, watches, Events and certificates.

No clock is set: the server's is passed in, and a token that expired nine days ago is what the jump leaves in a file.
"""

import asyncio
import datetime
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from tests.conftest import Starlink, _let_pass, eventually, soon
from tests.integration.apiserver.test_revocation import NAMESPACE, add_account
from tests.integration.conftest import Core, Wire

from starlink.api.kinds import SERVER, SERVICE_ACCOUNT
from starlink.api.server import Server
from starlink.api.timestamp import format_time
from starlink.apiserver.controllers.expiry import is_old, sweep
from starlink.apiserver.handler import Api
from starlink.apiserver.resources import encoding
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.cli import agent_tokens
from starlink.client.cache import Cache
from starlink.client.config import BadConfig, Config, render
from starlink.client.errors import NotFound, Unauthorized, Unreachable
from starlink.client.kube import Client
from starlink.client.token import LIFE_SECONDS, is_due, lifetime
from starlink.http.server import HttpServer
from starlink.http.tls import TlsContext
from starlink_nodeagent.server import identity

NOW = 1_900_000_000.0
NINE_DAYS = 9 * 24 * 3600.0


@dataclass
class Clock:
    """The time, as the server and its clients have it."""

    at: float

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
async def jumpy(api: Api, pki: Pki, clock: Clock) -> AsyncIterator[Wire]:
    """A server that judges tokens by a clock that jumps."""
    tokens = TokenIssuer(pki.token_key)
    server = HttpServer(api.handle, Authenticator(tokens, encoding.finder(api.store), clock))
    port = await server.start("127.0.0.1", 0, TlsContext(*pki.server(["127.0.0.1"]), pki.ca))
    yield Wire(port, pki)
    await server.stop()


def issued(pki: Pki, uid: str, at: float, seconds: int = LIFE_SECONDS) -> str:
    return TokenIssuer(pki.token_key).issue(NAMESPACE, "s1", uid, seconds, at)[0]


# The rule


@pytest.mark.parametrize(
    ("passed", "due"),
    [(0, False), (0.66, False), (0.67, True), (0.9, True), (1.1, True), (9 / 7, True), (-9 / 7, False), (-0.1, False)],
)
def test_a_token_is_due_when_two_thirds_have_gone(pki: Pki, passed: float, due: bool) -> None:
    token = issued(pki, "1", NOW)
    assert lifetime(token) == (NOW, NOW + LIFE_SECONDS)
    assert is_due(token, NOW + passed * LIFE_SECONDS) is due


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a.e30.c", "a.eyJpYXQiOiJ4In0.c", "é.é.é", "a." + "A" * 99 + ".c"])
def test_what_is_no_token_is_due(token: str) -> None:
    assert is_due(token, NOW)


# Its holders


async def test_up_renews_what_has_expired(jumpy: Wire, pki: Pki, clock: Clock, tmp_path: Path) -> None:
    admin, file = tmp_path / "admin", tmp_path / "s1.token"
    admin.write_text(render(jumpy.config(), "admin"))
    async with Client(jumpy.config()) as client:
        uid = await add_account(client, "s1")
        file.write_text(issued(pki, uid, clock() - NINE_DAYS))
        assert await agent_tokens.renew(admin, "s1", file) == ""
        assert not is_due(file.read_text().strip(), clock())
        assert file.stat().st_mode & 0o777 == 0o600
        await client.delete(SERVICE_ACCOUNT, "s1", NAMESPACE)
        kept = file.read_text()
        assert "not found" in await agent_tokens.renew(admin, "s1", file)  # who is revoked stays so
        assert file.read_text() == kept
        with pytest.raises(NotFound):
            await client.get(SERVICE_ACCOUNT, "s1", NAMESPACE)


async def test_the_keeper_looks_at_the_wall_clock(
    jumpy: Wire, pki: Pki, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_tokens, "LOOK_SECONDS", 0.01)
    admin, file = tmp_path / "admin", tmp_path / "s1.token"
    admin.write_text(render(jumpy.config(), "admin"))
    async with Client(jumpy.config()) as client:
        uid = await add_account(client, "s1")
    first = issued(pki, uid, clock())
    file.write_text(first)
    theirs = Clock(clock())
    keeping = asyncio.create_task(agent_tokens.keep(admin, {"s1": file}, theirs))
    await asyncio.sleep(0.1)
    assert file.read_text() == first
    theirs.at += NINE_DAYS
    await soon(lambda: file.read_text() != first, "a new token")
    keeping.cancel()


async def test_a_cache_goes_on_with_the_new_token(jumpy: Wire, pki: Pki, clock: Clock, tmp_path: Path) -> None:
    """Through the whole of it: the watch ends with the token, 401s follow, and a new file is enough."""
    file = tmp_path / "s1.token"
    async with Client(jumpy.config()) as admin:
        uid = await add_account(admin, "s1")
        await admin.create(SERVER, {"metadata": {"name": "s1"}})
        file.write_text(issued(pki, uid, clock()))
        config = replace(jumpy.config(), certificate=None, key=None, token_file=file)
        async with Client(config) as agent:
            cache: Cache[Server] = Cache(
                agent, SERVER, Server, now=time.monotonic, jitter=lambda: 0.1, field_selector="metadata.name=s1"
            )
            following = asyncio.create_task(cache.run())
            await cache.synced()
            clock.at += NINE_DAYS
            with pytest.raises(Unauthorized, match="it has expired"):
                await agent.get(SERVER, "s1")
            file.write_text("")
            with pytest.raises(Unreachable, match="this is no token"):
                await agent.get(SERVER, "s1")
            file.unlink()
            with pytest.raises(Unreachable, match="can't be read"):
                await agent.get(SERVER, "s1")
            file.write_text(issued(pki, uid, clock()))
            changed = await admin.patch(SERVER, "s1", {"metadata": {"labels": {"told": "after"}}})
            version = int(changed["metadata"]["resourceVersion"])
            await soon(lambda: cache.resource_version >= version, "the cache to hear of it")
            following.cancel()


def test_a_token_file_holds_one_word(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for content in (b"a\r\nX-Evil: 1", b"a b", b"\xff\xfe", b"a" * 20_000, b"\n"):
        file.write_bytes(content)
        with pytest.raises(BadConfig, match="this is no token"):
            Config("https://x", token_file=file).bearer()
    file.write_text("a.b.c\n")
    assert Config("https://x", token_file=file).bearer() == "a.b.c"


def test_a_kubeconfigs_own_token_is_renewed_too(pki: Pki, tmp_path: Path) -> None:
    """`starlink server add` prints one with the token inline."""
    file = tmp_path / "agent.token"
    given = Config("https://x", token=issued(pki, "1", NOW))
    used = identity.with_token_file(given, file)
    assert (used.token, used.token_file, used.bearer()) == ("", file, given.token)
    renewed = issued(pki, "1", NOW + 100_000)
    identity.write(file, renewed)
    assert identity.with_token_file(given, file).bearer() == renewed
    again = replace(given, token=issued(pki, "2", NOW + 200_000))
    assert identity.with_token_file(again, file).bearer() == again.token
    assert file.stat().st_mode & 0o777 == 0o600


async def test_the_agent_renews_by_the_wall_clock(jumpy: Wire, pki: Pki, clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "s1.token"
    async with Client(jumpy.config()) as admin:
        uid = await add_account(admin, "s1")
    file.write_text(issued(pki, uid, clock() - LIFE_SECONDS * 0.7))
    before = file.read_text()
    config = replace(jumpy.config(), certificate=None, key=None, token_file=file)
    async with Client(config) as agent:
        renewing = asyncio.create_task(identity.renew(agent, "s1", file, clock))
        await soon(lambda: file.read_text() != before, "a new token")
        renewing.cancel()
    assert not is_due(file.read_text().strip(), clock())


# What else has a clock


def stamped(created: float, **more: float) -> dict[str, Any]:
    times = {name: format_time(at) for name, at in more.items()}
    return {"metadata": {"creationTimestamp": format_time(created)}, **times}


@pytest.mark.parametrize(
    ("event", "old"),
    [
        (stamped(NOW - 60), False),
        (stamped(NOW - 7200), True),
        (stamped(NOW - 7200, lastTimestamp=NOW - 60), False),
        (stamped(NOW - 60, lastTimestamp=NOW - 7200), False),
        (stamped(NOW + NINE_DAYS, lastTimestamp=NOW - 60), False),
        (stamped(NOW - 7200, lastTimestamp=NOW + NINE_DAYS), True),
        (stamped(NOW - 60, lastTimestamp=253_000_000_000), False),
        (stamped(NOW + NINE_DAYS), True),
        ({**stamped(NOW - 7200), "lastTimestamp": "never"}, True),
    ],
)
def test_events_go_whatever_their_reporter_says(event: dict[str, Any], old: bool) -> None:
    assert is_old(event, NOW) is old


def test_certificates_are_good_before_they_were_made(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    pki = Pki(tmp_path, now)
    back = now - datetime.timedelta(days=9)
    for path in (pki.server(["127.0.0.1"])[0], pki.client("jane")[0], pki.ca):
        (certificate,) = x509.load_pem_x509_certificates(path.read_bytes())
        assert certificate.not_valid_before_utc < back
    early = Pki(tmp_path / "early", datetime.datetime(1970, 2, 1, tzinfo=datetime.UTC))
    early.server(["127.0.0.1"])


async def test_a_reported_time_keeps_no_event(core: Core) -> None:
    events = "/api/v1/namespaces/default/events"
    body = {
        "metadata": {"name": "x"}, "involvedObject": {"kind": "Pod", "name": "x", "namespace": "default"},
        "lastTimestamp": "9999-01-01T00:00:00Z",
    }  # fmt: skip
    assert (await core("POST", events, body)).status == 201
    await sweep(core.api.objects, core.api.registry, time.time() + 7200)
    assert (await core("GET", f"{events}/x")).status == 404


# The whole


def test_a_local_agent_is_heard_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A token that expired nine days ago lies where the jump would have left it."""
    folder = tmp_path_factory.mktemp("jump")
    _let_pass(folder)
    starlink = Starlink(folder)
    try:
        starlink.up()
        (file,) = starlink.data.glob("**/*.token")
        issuer = TokenIssuer(next(starlink.data.glob("**/token.key")))
        uid = starlink.get("serviceaccounts", "s1", "-n", NAMESPACE)["metadata"]["uid"]
        expired = issuer.issue(NAMESPACE, "s1", uid, 600, time.time() - NINE_DAYS)[0]
        identity.write(file, expired)
        eventually(lambda: file.read_text().strip() != expired, "a new token")
        assert not is_due(file.read_text().strip(), time.time())
        eventually(lambda: starlink.condition("servers", "s1", "Ready") == "True", "the server to be heard")
    finally:
        starlink.remove()
