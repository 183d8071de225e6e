"""What the agent says of itself after it was not heard: that it is there, once it has heard what it is to do."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import soon
from tests.contract.proxy import Proxy
from tests.integration.operator.conftest import Clock, client_through

from starlink.api.kinds import ASSIGNMENT, LEASE, NAMESPACE
from starlink.apiserver.handler import Api
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.kube import Client
from starlink.http.dispatch import Handle
from starlink.http.message import Answer, Request, Response
from starlink_nodeagent.agent import Agent
from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.machine import machine
from starlink_nodeagent.server import heartbeat
from starlink_nodeagent.users.policy import users

BEAT, CATCH_UP = "beat", "catch up"


class Seen:
    """The beats and watches that reach the API, in turn. While `away`, none is answered well."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self.turns: list[str] = []
        self.away = False

    async def __call__(self, request: Request) -> Answer:
        if request.method == "PATCH" and "/leases/" in request.path:
            self.turns.append(BEAT)
        elif "watch" in request.query:
            self.turns.append(request.path.rpartition("/")[2])
        if self.away:
            return Response(503, b'{"kind":"Status","message":"away"}', {"content-type": "application/json"})
        return await self._handle(request)


@pytest.fixture
async def seen(api: Api) -> Seen:
    return Seen(api.handle)


@pytest.fixture
async def through(seen: Seen, api: Api, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr(heartbeat, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "ANSWER_SECONDS", 0.5)
    async with client_through(seen, api, pki) as client:
        yield client


@contextlib.asynccontextmanager
async def beating(client: Client, seen: Seen, elapsed: Clock) -> AsyncIterator[None]:
    async def catch_up() -> None:
        seen.turns.append(CATCH_UP)

    running = asyncio.create_task(heartbeat.beat(client, "s1", time.time, elapsed, catch_up))
    try:
        await soon(lambda: seen.turns, "it beats")
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_after_a_beat_that_failed_it_catches_up_first(through: Client, seen: Seen) -> None:
    async with beating(through, seen, Clock()):
        seen.away = True
        await soon(lambda: CATCH_UP in seen.turns, "it catches up")
        seen.away = False
        del seen.turns[:]
        await soon(lambda: seen.turns.count(BEAT) > 3, "it beats again")
        assert seen.turns.count(CATCH_UP) <= 1
    assert CATCH_UP not in seen.turns[2:], "once is enough"


async def test_after_a_sleep_it_catches_up_first(through: Client, seen: Seen) -> None:
    elapsed = Clock()
    async with beating(through, seen, elapsed):
        await soon(lambda: len(seen.turns) > 2, "it beats")
        assert CATCH_UP not in seen.turns
        elapsed.now += heartbeat.MISSED_SECONDS
        await soon(lambda: CATCH_UP in seen.turns, "it catches up")
        await soon(lambda: seen.turns[-1] == BEAT, "it beats again")
        assert seen.turns.count(CATCH_UP) == 1


async def test_a_server_that_is_heard_again_acts(
    through: Client, seen: Seen, client: Client, pki: Pki, tmp_path: Path
) -> None:
    """Its connections are as after a cable pull: they bring nothing, and nobody says that they are over."""
    async with Proxy(through.config.port) as proxy:
        behind = Client(replace(through.config, server=f"https://{proxy.endpoint}"))
        journal = Journal(tmp_path / "instances")
        whom = users(None, None, tmp_path / "task-uids")
        host = assembled("s1", journal, tmp_path / "artifacts", None, whom, path=os.environ["PATH"])
        facts = machine.observe(tmp_path, "127.0.0.1", {})
        running = asyncio.create_task(Agent(behind, host, facts, time.monotonic, lambda: 1.0).run())
        await soon(lambda: {BEAT, "assignments", "servers"} <= {*seen.turns}, "it is heard")
        proxy.strand()
        await soon(lambda: proxy.held, "a beat is held up")
        del seen.turns[:]
        await client.create(ASSIGNMENT, withdrawn(), "default")
        await soon(lambda: BEAT in seen.turns, "it is heard again")
        assert sorted(seen.turns[: seen.turns.index(BEAT)]) == ["assignments", "servers"]

        async def told() -> str:
            status = (await client.get(ASSIGNMENT, "web-0", "default")).get("status") or {}
            return str(status.get("phase", ""))

        async with asyncio.timeout(30):
            while await told() != "Stopped":
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        behind.close()


def withdrawn() -> dict[str, object]:
    """An Assignment that is not to run any more."""
    spec = {"server": "s1", "slot": "0", "attempt": 1, "desired": "Stopped", "template": {"command": ["run"]}}
    metadata = {"name": "web-0"}
    return {"apiVersion": ASSIGNMENT.api_version, "kind": ASSIGNMENT.kind, "metadata": metadata, "spec": spec}


async def test_the_lease_may_lie_in_another_namespace(client: Client) -> None:
    await client.create(NAMESPACE, {"metadata": {"name": "edge"}})
    for moment in (1.0, 2.0):
        await heartbeat.renew(client, "s1", moment, "edge")
    lease = await client.get(LEASE, "s1", "edge")
    assert lease["spec"]["renewTime"].startswith("1970-01-01T00:00:02")
