"""What becomes of writes for which nobody waits any more, or which may not be sent any more."""

import asyncio

import pytest
from tests.unit.client.asked import (
    NOT_FOUND,
    Site,
    names,
    outcomes,
)

from starlink.client.bulk import REQUESTS


async def test_of_a_write_that_is_given_up_before_it_went_nothing_is_sent() -> None:
    site = Site()
    await site.learn()
    out = []
    for name in names(REQUESTS):
        out += site.create(name)
        await site.requests(len(out))
    waiting = site.create(*names(3, 10))
    await asyncio.sleep(0)
    waiting[1].cancel()
    for request in site.api.out:
        request.take()
    (request,) = await site.requests(1)
    assert request.names == ["web-10", "web-12"]
    request.take()
    assert await outcomes([*out, *waiting]) == [*names(REQUESTS), "web-10", asyncio.CancelledError, "web-12"]


async def test_of_a_write_that_is_given_up_after_it_went_the_others_hear() -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(3))
    (request,) = await site.requests(1)
    writes[1].cancel()
    await asyncio.sleep(0)
    request.take()
    assert await outcomes(writes) == ["web-0", asyncio.CancelledError, "web-2"]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_request_for_which_nobody_waits_is_given_up(count: int) -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(count))
    (request,) = await site.requests(1)
    for one in writes:
        one.cancel()
    await asyncio.wait(writes)
    assert request.answered.cancelled(), "it is over when the last that waited has ended"
    again = site.create(*names(count))
    (request,) = await site.requests(1)
    request.take()
    assert await outcomes(again) == names(count)


async def test_a_request_that_is_given_up_before_it_began_is_over() -> None:
    site = Site()
    for turns in range(6):
        writes = site.create(*names(1))
        for _ in range(turns):
            await asyncio.sleep(0)
        writes[0].cancel()
        await asyncio.wait(writes)
    assert not site.bulk._lines._behind and not site.bulk._out and not site.api.out


async def test_the_next_of_an_object_goes_when_the_one_before_is_given_up() -> None:
    site = Site()
    await site.learn()
    first, second, third = (site.patch("web-0", number=number) for number in (1, 2, 3))
    (request,) = await site.requests(1)
    second.cancel()
    first.cancel()
    await asyncio.wait((first, second))
    (request,) = await site.requests(1)
    assert request.body == {"status": {"number": 3}}
    request.take()
    assert await outcomes([third]) == ["web-0"]
    assert not site.bulk._lines._behind and not site.bulk._out, "nothing is kept of what is over"


class NoMore(Exception):
    pass


async def test_what_waits_while_it_may_not_be_sent_any_more_is_not_sent() -> None:
    site = Site()
    await site.learn()
    out = []
    for name in names(REQUESTS):
        out += site.create(name)
        await site.requests(len(out))
    waiting = site.create(*names(3, 10))
    await asyncio.sleep(0)
    site.held.append(NoMore())
    for request in site.api.out:
        request.take()
    assert await outcomes([*out, *waiting]) == [*names(REQUESTS), NoMore, NoMore, NoMore]
    assert len(site.api.asked) == REQUESTS


@pytest.mark.parametrize("status", [404, 413])
async def test_what_would_go_again_while_it_may_not_be_sent_any_more_is_not_sent(status: int) -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(3))
    (request,) = await site.requests(1)
    site.held.append(NoMore())
    request.answer(status, NOT_FOUND)
    assert await outcomes(writes) == [NoMore] * 3
    assert len(site.api.asked) == 1
