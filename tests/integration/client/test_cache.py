"""The cache against a real server: it follows, resumes, heals, and never takes back one's own writes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest
from tests.conftest import soon
from tests.contract.proxy import Proxy
from tests.integration.conftest import Wire, task

from starlink.api.change import Change
from starlink.api.kinds import TASK
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.apiserver.handler import Api
from starlink.client.cache import Cache
from starlink.client.kube import Client

pytestmark = pytest.mark.on_both
KEY = ObjectKey("default", "web")


@pytest.fixture
async def cache(client: Client) -> AsyncIterator[Cache[Task]]:
    made = Cache(client, TASK, Task, now=asyncio.get_running_loop().time, jitter=lambda: 1.0)
    running = asyncio.create_task(made.run())
    await made.synced()
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_it_follows(client: Client, cache: Cache[Task]) -> None:
    told: list[Change[Task]] = []
    cache.subscribe(told.append)
    await client.create(TASK, task("web", replicas=1), "default")
    await soon(lambda: KEY in cache.objects, "the task is there")
    await client.patch(TASK, "web", {"spec": {"replicas": 2}}, "default")
    await soon(lambda: cache.objects[KEY].replicas == 2, "the change is there")
    await client.delete(TASK, "web", "default")
    await soon(lambda: KEY not in cache.objects, "the task is gone")
    assert [(c.old is None, c.new is None) for c in told] == [(True, False), (False, False), (False, True)]


async def test_own_writes_are_there_at_once_and_stay(client: Client, cache: Cache[Task]) -> None:
    first = await client.create(TASK, task("web", replicas=1), "default")
    second = await client.patch(TASK, "web", {"spec": {"replicas": 2}}, "default")
    cache.overlay(msgspec.json.encode(second))
    assert cache.objects[KEY].replicas == 2
    cache.overlay(msgspec.json.encode(first))
    assert cache.objects[KEY].replicas == 2
    cache.overlay_gone(KEY)
    cache.hear("MODIFIED", msgspec.json.encode(second))
    assert KEY not in cache.objects


async def test_what_it_missed_it_learns_from_a_list(client: Client, cache: Cache[Task]) -> None:
    told: list[Change[Task]] = []
    await client.create(TASK, task("web"), "default")
    await soon(lambda: KEY in cache.objects, "the task is there")
    cache.subscribe(told.append)
    cache._objects.clear()  # as if the watch had been dead
    await cache.refresh()
    assert KEY in cache.objects and len(told) == 1


async def test_what_is_too_old_to_resume_is_listed_anew(api: Api, client: Client) -> None:
    """As after a long time away: the server has forgotten what came since."""
    cache = Cache(client, TASK, Task, now=asyncio.get_running_loop().time, jitter=lambda: 1.0)
    await client.create(TASK, task("web"), "default")
    await cache.refresh()
    await client.delete(TASK, "web", "default")
    await client.create(TASK, task("other"), "default")
    api.store._state.history.start_at(cache.resource_version)  # type: ignore[attr-defined]
    cache._resource_version = "1"
    running = asyncio.create_task(cache.run())
    await soon(lambda: list(cache.objects) == [ObjectKey("default", "other")], "what came since is known")
    assert cache.lists == 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_object_that_cannot_be_read_stalls_nothing(client: Client, cache: Cache[Task]) -> None:
    cache.hear(
        "ADDED", b'{"metadata":{"name":"odd","namespace":"default","resourceVersion":"9"},"spec":{"template":7}}'
    )
    await client.create(TASK, task("web"), "default")
    await soon(lambda: KEY in cache.objects, "the task is there")
    odd = cache.objects[ObjectKey("default", "odd")]
    assert odd.unreadable is not None and odd.unreadable.why.startswith("spec.template: ")


async def test_what_hangs_is_begun_anew(client: Client, wire: Wire) -> None:
    async with Proxy(wire.port) as proxy:
        behind = Client(replace(client.config, server=f"https://{proxy.endpoint}"))
        cache = Cache(behind, TASK, Task, now=asyncio.get_running_loop().time, jitter=lambda: 1.0)
        running = asyncio.create_task(cache.run())
        await cache.synced()
        await soon(lambda: cache._watched.is_set(), "it watches")
        lists = cache.lists
        for name in ("one", "two"):  # the second time it watches what was watched anew
            proxy.strand()
            await client.create(TASK, task(name), "default")
            await soon(lambda: proxy.held, "the news is held up")
            assert ObjectKey("default", name) not in cache.objects
            async with asyncio.timeout(30):
                await cache.anew()
            await soon(lambda name=name: ObjectKey("default", name) in cache.objects, "it has heard")  # type: ignore[misc]
            proxy.held = b""
        assert cache.lists == lists, "it goes on from where it was"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        behind.close()


async def test_a_try_that_hangs_is_cut_as_well(client: Client, wire: Wire) -> None:
    async with Proxy(wire.port) as proxy:
        proxy.answers.clear()
        behind = Client(replace(client.config, server=f"https://{proxy.endpoint}"))
        cache = Cache(behind, TASK, Task, now=asyncio.get_running_loop().time, jitter=lambda: 1.0)
        running = asyncio.create_task(cache.run())
        await soon(lambda: proxy.held, "its list is held up")
        proxy.strand()
        async with asyncio.timeout(30):
            await cache.anew()
        assert cache.lists == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        behind.close()
