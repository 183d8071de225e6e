"""Whether the server takes many writes in one request: when the client asks, and when it asks again."""

import asyncio
from typing import Any

import pytest
from tests.unit.client.asked import (
    NOT_FOUND,
    OFFERED,
    Site,
    names,
    outcomes,
)

from starlink.client.errors import (
    Unreachable,
)
from starlink.client.offer import ANEW_SECONDS, RETRY_SECONDS


@pytest.mark.parametrize(
    "answer",
    [
        (404, NOT_FOUND),
        (403, {"kind": "Status"}),
        (200, {"resources": []}),
        (200, b"<html>"),
        (200, {"resources": [{"name": "bulkwrites", "verbs": ["get"]}]}),
    ],
)
async def test_where_it_is_not_offered_all_goes_singly_and_nobody_is_told(answer: tuple[int, Any]) -> None:
    site = Site()
    writes = site.create(*names(2))
    for request in await site.requests(3):
        request.answer(*answer) if request.is_discovery else request.take()
    assert await outcomes(writes) == names(2)
    site.clock.now += ANEW_SECONDS - 1
    writes = site.create(*names(20))
    most = 0
    while not all(one.done() for one in writes):
        most = max(most, len(site.api.out))
        for request in site.api.out[:1]:
            assert not request.is_discovery and not request.is_bulk
            request.take()
        await asyncio.sleep(0)
    assert await outcomes(writes) == names(20) and most == site.singles and site.api.told == []


async def asked_anew(site: Site) -> bool:
    """Whether two writes ask again whether they may go together. Both are done."""
    writes = site.create("again-0", "again-1")
    for _ in range(10):
        await asyncio.sleep(0)
    found = any(request.is_discovery for request in site.api.out)
    for request in site.api.out:
        request.answer(200, OFFERED) if request.is_discovery else request.take()
    await asyncio.gather(*writes)
    return found


async def test_a_server_that_had_it_not_is_asked_again_after_minutes() -> None:
    site = Site()
    await site.learn(offered=False)
    site.clock.now += ANEW_SECONDS - 1
    assert not await asked_anew(site)
    site.clock.now += 1
    assert await asked_anew(site) and not await asked_anew(site)


async def test_a_server_that_had_it_not_is_asked_again_when_the_connection_was_lost() -> None:
    site = Site()
    await site.learn(offered=False)
    one = site.create("web-0")
    (await site.requests(1))[0].fail(Unreachable("the connection broke"))
    assert await outcomes(one) == [Unreachable]
    assert not await asked_anew(site), "not at once: it may be away for long"
    site.clock.now += RETRY_SECONDS
    assert await asked_anew(site)


@pytest.mark.parametrize("status", [401, 429, 503, None])
async def test_a_server_that_can_not_say_is_asked_again_soon(status: int | None) -> None:
    site = Site()
    writes = site.create(*names(2))
    for request in await site.requests(3):
        if not request.is_discovery:
            request.take()
        elif status:
            request.answer(status, {"kind": "Status"})
        else:
            request.fail(Unreachable("away"))
    assert await outcomes(writes) == names(2) and site.api.told == []
    assert not await asked_anew(site)
    site.clock.now += RETRY_SECONDS
    assert await asked_anew(site)


@pytest.mark.parametrize("status", [403, 404, 405])
async def test_a_server_that_is_swapped_for_one_without_it_is_asked_singly(status: int) -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(10))
    (request,) = await site.requests(1)
    request.answer(status, NOT_FOUND | {"code": status})
    order: list[str] = []
    while not all(one.done() for one in writes):
        assert len(site.api.out) <= site.singles
        for one in site.api.out:
            assert not one.is_bulk and not one.is_discovery
            order += one.names
            one.take()
        await asyncio.sleep(0)
    assert await outcomes(writes) == order == names(10) and site.api.told == []
    site.clock.now += ANEW_SECONDS
    assert await asked_anew(site)
