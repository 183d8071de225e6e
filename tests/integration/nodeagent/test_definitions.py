"""StarLink's own CRDs deleted, made again and changed: operator and agents hear of it as on Kubernetes, and go on."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import soon
from tests.integration.apiserver.test_revocation import acting, add_account, token_of
from tests.integration.conftest import Wire, task
from tests.integration.nodeagent.test_agent import CRD

from starlink.api.kinds import SERVER, TASK
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.client.cache import Cache
from starlink.client.errors import NotFound
from starlink.client.kube import Client
from starlink_nodeagent.machine import machine
from starlink_nodeagent.server import registration
from starlink_nodeagent.server.link import Link, ServerDeleted, ServersUndefined

Obj = dict[str, Any]


@pytest.fixture
async def agents(wire: Wire, client: Client) -> AsyncIterator[Client]:
    """The session of s2's agent, with its rights."""
    await add_account(client, "s2")
    async with acting(wire, token=await token_of(client, "s2")) as made:
        yield made


async def begun(agents: Client, folder: Path) -> "asyncio.Task[None]":
    """What follows the API once the agent has registered, which it has heard."""
    here = machine.observe(folder, "127.0.0.1", {})
    uid = await registration.register(agents, "s2", here)
    link = Link(agents, "s2", time.time, time.monotonic, lambda: 1.0)
    running = asyncio.create_task(link.run(uid, here))
    await soon(lambda: link.server is not None, "the agent hears of its Server")
    return running


async def ended(running: "asyncio.Task[None]") -> Exception:
    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(running, 60)
    (error,) = raised.value.exceptions
    return error


async def undefine(client: Client, plural: str) -> Obj:
    """Deletes a CRD, and gives what makes it again."""
    name = f"{plural}.starlink.dev"
    found = await client.get(CRD, name)
    await client.delete(CRD, name)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": CRD.kind,
        "metadata": {"name": name},
        "spec": found["spec"],
    }


async def is_gone(client: Client, plural: str) -> None:
    async with asyncio.timeout(60):
        with contextlib.suppress(NotFound):
            while True:
                await client.get(CRD, f"{plural}.starlink.dev")
                await asyncio.sleep(0.05)


def holds(cache: Cache[Server], count: int) -> bool:
    return len(cache.objects) == count


async def release(client: Client) -> None:
    """As the operator does once the server is empty."""
    await client.patch(SERVER, "s2", {"metadata": {"finalizers": None}})


async def test_an_agent_whose_servers_are_undefined_is_to_be_started_again(
    client: Client, agents: Client, tmp_path: Path
) -> None:
    """A service manager does so, and the agent registers when there are servers again: until then it is not refused."""
    running = await begun(agents, tmp_path)
    crd = await undefine(client, "servers")
    await release(client)
    assert isinstance(await ended(running), ServersUndefined)
    await is_gone(client, "servers")
    observed = machine.observe(tmp_path, "127.0.0.1", {})
    with pytest.raises(NotFound):
        await registration.register(agents, "s2", observed)
    await client.create(CRD, crd)
    assert await registration.register(agents, "s2", observed)


async def test_an_agent_whose_server_is_deleted_is_not(client: Client, agents: Client, tmp_path: Path) -> None:
    running = await begun(agents, tmp_path)
    await client.delete(SERVER, "s2")
    await release(client)
    error = await ended(running)
    assert isinstance(error, ServerDeleted) and not isinstance(error, ServersUndefined)


async def test_a_cache_goes_on_when_its_kind_is_made_again(client: Client) -> None:
    cache = Cache(client, TASK, Task, now=time.monotonic, jitter=lambda: 1.0)
    following = asyncio.create_task(cache.run())
    await client.create(TASK, task("old"), "default")
    await soon(lambda: [key.name for key in cache.objects] == ["old"], "the task is heard")
    crd = await undefine(client, "tasks")
    await soon(lambda: not cache.objects, "all that went is heard")
    await is_gone(client, "tasks")
    await client.create(CRD, crd)
    await client.create(TASK, task("new"), "default")
    await soon(lambda: [key.name for key in cache.objects] == ["new"], "the new task is heard")
    following.cancel()


async def test_a_cache_goes_on_without_a_list_when_its_crd_changes(client: Client) -> None:
    """Thousands of agents follow few kinds: a change of a CRD must not have all of them list at once."""
    cache = Cache(client, SERVER, Server, now=time.monotonic, jitter=lambda: 1.0)
    following = asyncio.create_task(cache.run())
    await cache.synced()
    for count in (1, 2, 3):
        crd = await client.get(CRD, "servers.starlink.dev")
        column = {"name": f"X{count}", "type": "string", "jsonPath": ".x"}
        crd["spec"]["versions"][0]["additionalPrinterColumns"].append(column)
        await client.replace(CRD, crd)
        await client.create(SERVER, {"metadata": {"name": f"s{count}"}, "spec": {}})
        await soon(partial(holds, cache, count), "what follows is heard")
    assert cache.lists == 1
    following.cancel()
