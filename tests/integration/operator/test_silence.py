"""Whose silence it is when no Lease is renewed: the API is asked. A real server and watch; the clock is the test's."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.conftest import soon
from tests.integration.operator.conftest import Clock, client_through

from starlink.api.kinds import SERVER
from starlink.apiserver.handler import Api
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.kube import Client
from starlink_nodeagent.server.heartbeat import renew
from starlink_operator.caches import Caches

NAMES = ("s1", "s2", "s3")


class Deaf:
    """An API that answers, and then does not."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.hears = asyncio.Event()
        self.hears.set()

    async def __call__(self, request: Any) -> Any:
        await self.hears.wait()
        return await self.api.handle(request)


@pytest.fixture
def deaf(api: Api) -> Deaf:
    return Deaf(api)


@pytest.fixture
async def client(api: Api, deaf: Deaf, pki: Pki) -> AsyncIterator[Client]:
    async with client_through(deaf, api, pki) as made:
        yield made


async def beat(client: Client, *names: str) -> None:
    for name in names:
        await renew(client, name, time.time())


async def following(client: Client, clock: Clock) -> tuple[Caches, "asyncio.Task[None]"]:
    for name in NAMES:
        server = {"apiVersion": SERVER.api_version, "kind": "Server", "metadata": {"name": name}, "spec": {}}
        await client.create(SERVER, server)
    await beat(client, *NAMES)
    observed = Caches(client, clock, time.time, lambda: 1.0)
    running = asyncio.create_task(observed.run())
    await observed.synced()
    await soon(lambda: len(observed.world().servers) == 3, "the servers are seen")
    return observed, running


async def pass_seconds(observed: Caches, clock: Clock, seconds: int) -> dict[str, float]:
    """A look and, when it is due, a question each second."""
    for _ in range(seconds):
        clock.now += 1.0
        await observed.ask()
        observed.look()
    return dict(observed.world().silence)


async def end(running: "asyncio.Task[None]") -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_when_all_fall_silent_it_is_theirs(client: Client) -> None:
    clock = Clock()
    observed, running = await following(client, clock)
    observed.look()
    silence = await pass_seconds(observed, clock, 20)
    assert all(silence[name] >= 19.0 for name in NAMES)
    await beat(client, "s2")
    await soon(lambda: observed.world().silence["s2"] < 1.0, "one is heard again")
    silence = await pass_seconds(observed, clock, 3)
    assert silence["s1"] >= 22.0 and silence["s2"] <= 3.0
    await end(running)


async def test_when_the_api_does_not_answer_it_is_ours(client: Client, deaf: Deaf) -> None:
    clock = Clock()
    observed, running = await following(client, clock)
    observed.look()
    deaf.hears.clear()
    silence = await pass_seconds(observed, clock, 12)
    assert all(seconds <= 6.0 for seconds in silence.values())
    deaf.hears.set()
    silence = await pass_seconds(observed, clock, 10)
    assert all(9.0 <= seconds <= 16.0 for seconds in silence.values())
    await end(running)
