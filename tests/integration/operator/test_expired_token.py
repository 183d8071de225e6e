"""An agent whose token has expired: the control side says so, and what to do. The clocks are the test's."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.apiserver.test_revocation import acting
from tests.integration.conftest import Wire
from tests.integration.operator.conftest import Clock
from tests.integration.operator.test_silence import end, pass_seconds

from starlink.api import conditions
from starlink.api.kinds import SERVER, SERVICE_ACCOUNT
from starlink.api.timestamp import format_time
from starlink.apiserver.handler import Api
from starlink.apiserver.resources import encoding
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.cli import agent_tokens
from starlink.client.errors import Forbidden, Unauthorized
from starlink.client.kube import Client
from starlink.client.token import LIFE_SECONDS, lifetime
from starlink.engine.rounds.fleet import plan_fleet
from starlink.http.server import HttpServer
from starlink.http.tls import TlsContext
from starlink.planning.plan import UpdateStatus
from starlink_nodeagent.machine import machine
from starlink_nodeagent.server import identity, refusal
from starlink_nodeagent.server.heartbeat import renew
from starlink_nodeagent.server.registration import register
from starlink_operator.caches import Caches


@pytest.fixture
def wall() -> Clock:
    return Clock(time.time())


@pytest.fixture
async def jumpy(api: Api, pki: Pki, wall: Clock) -> AsyncIterator[Wire]:
    """A server that judges tokens by the test's clock."""
    server = HttpServer(api.handle, Authenticator(TokenIssuer(pki.token_key), encoding.finder(api.store), wall))
    port = await server.start("127.0.0.1", 0, TlsContext(*pki.server(["127.0.0.1"]), pki.ca))
    yield Wire(port, pki)
    await server.stop()


@pytest.fixture
async def admin(jumpy: Wire) -> AsyncIterator[Client]:
    async with Client(jumpy.config()) as made:
        yield made


async def telling(agent: Client, server: str, uid: str) -> None:
    """The agent tells until when its token is good."""
    until = identity.expiry(agent.config)
    running = asyncio.create_task(identity.tell(agent, server, uid))
    async with asyncio.timeout(30):
        while (await agent.get(SERVER, server))["status"].get("tokenExpires") != until:
            await asyncio.sleep(0.02)
    await end(running)


def ready(observed: Caches) -> tuple[str, str]:
    """What the operator says of the server now: reason and message of Ready."""
    (plan,) = (plan for plan in plan_fleet(observed.world()) if plan.kind == SERVER)
    (status,) = (action.status for action in plan.actions if isinstance(action, UpdateStatus))
    told = next(one for one in status["conditions"] if one["type"] == conditions.READY)
    return told["reason"], told["message"]


async def test_an_expired_token_is_told_with_what_to_do(
    admin: Client, jumpy: Wire, wall: Clock, tmp_path: Path
) -> None:
    token, monotonic = await agent_tokens.new(admin, "s2"), Clock()
    _, until = lifetime(token) or (0.0, 0.0)
    async with acting(jumpy, token=token) as agent:
        uid = await register(agent, "s2", machine.observe(tmp_path, "127.0.0.1", {}))
        await renew(agent, "s2", wall())
        await telling(agent, "s2", uid)
        observed = Caches(admin, monotonic, wall, lambda: 1.0)
        running = asyncio.create_task(observed.run())
        await observed.synced()
        assert ready(observed)[0] == "AgentHeard"
        observed.look()
        await pass_seconds(observed, monotonic, 20)
        wall.now = until - 1
        assert ready(observed)[0] == "HeartbeatMissed"
        wall.now = until
        reason, message = ready(observed)
        assert reason == "TokenExpired" and format_time(until) in message
        assert "starlink server add s2 -o FILE" in message and "--kubeconfig FILE" in message
        with pytest.raises(Unauthorized, match="expired") as refused:
            await renew(agent, "s2", wall())
        assert "starlink server add s2" in refusal.reason(refused.value, "s2")
    async with acting(jumpy, token=_issued(jumpy, await _uid(admin, "s2"), wall())) as agent:
        await renew(agent, "s2", wall())
        await telling(agent, "s2", uid)
        async with asyncio.timeout(30):
            while ready(observed)[0] != "AgentHeard":
                await asyncio.sleep(0.02)
        await pass_seconds(observed, monotonic, 20)
        assert ready(observed)[0] == "HeartbeatMissed", "the new token is good"
    await end(running)


async def test_only_its_own_agent_says_when_its_token_ends(admin: Client, jumpy: Wire, tmp_path: Path) -> None:
    async with acting(jumpy, token=await agent_tokens.new(admin, "s2")) as agent:
        uid = await register(agent, "s2", machine.observe(tmp_path, "127.0.0.1", {}))
    async with acting(jumpy, token=await agent_tokens.new(admin, "s3")) as other:
        with pytest.raises(Forbidden):
            patch = {"metadata": {"uid": uid}, "status": {"tokenExpires": "2026-01-01T00:00:00Z"}}
            await other.patch(SERVER, "s2", patch, subresource="status")
    assert "tokenExpires" not in (await admin.get(SERVER, "s2"))["status"]


async def test_a_token_of_the_kubeconfig_is_renewed_in_a_file_and_told(
    admin: Client, jumpy: Wire, wall: Clock, tmp_path: Path
) -> None:
    """As `starlink server add` gives it, at two thirds of its life."""
    given = await agent_tokens.new(admin, "s2")
    file = tmp_path / "agent.token"
    config = identity.with_token_file(jumpy.config(token=given), file)
    async with Client(config) as agent:
        uid = await register(agent, "s2", machine.observe(tmp_path, "127.0.0.1", {}))
        theirs = Clock(wall() + LIFE_SECONDS * 0.6)
        renewing = asyncio.create_task(identity.renew(agent, "s2", file, theirs))
        await telling(agent, "s2", uid)
        assert file.read_text().strip() == given, "it is not due yet"
        await end(renewing)
        theirs.now += LIFE_SECONDS * 0.1
        renewing = asyncio.create_task(identity.renew(agent, "s2", file, theirs))
        async with asyncio.timeout(30):
            while file.read_text().strip() == given:
                await asyncio.sleep(0.02)
        await end(renewing)
        await telling(agent, "s2", uid)
    assert replace(config, token="").bearer() == file.read_text().strip()


async def _uid(admin: Client, server: str) -> str:
    return str((await admin.get(SERVICE_ACCOUNT, server, "starlink-servers"))["metadata"]["uid"])


def _issued(wire: Wire, uid: str, now: float) -> str:
    return TokenIssuer(wire.pki.token_key).issue("starlink-servers", "s2", uid, LIFE_SECONDS, now)[0]
