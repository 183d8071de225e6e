"""What goes into which request, in which order, and what each writer hears of it."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.unit.client.asked import (
    NOT_FOUND,
    OFFERED,
    Site,
    answered,
    names,
    outcome,
    outcomes,
    refusal,
    write,
    written,
)

from starlink.api.kinds import ASSIGNMENT
from starlink.client import batch
from starlink.client.batch import Nonsense
from starlink.client.bulk import REQUESTS
from starlink.client.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    ServerTrouble,
    Unauthorized,
    Unreachable,
    Untrusted,
)

# Which request


async def test_one_write_goes_singly_and_asks_nobody_whether_it_could_go_otherwise() -> None:
    site = Site()
    one = site.create("web-0")
    (request,) = await site.requests(1)
    assert (request.method, request.path) == ("POST", "/apis/starlink.dev/v1alpha1/namespaces/default/assignments")
    assert request.body == {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Assignment",
        "metadata": {"namespace": "default", "name": "web-0"},
    }
    request.answer(201, written("web-0"))
    assert msgspec.json.decode(await one[0]) == written("web-0")


async def test_a_status_goes_as_a_patch() -> None:
    site = Site()
    await site.learn()
    alone = site.patch("web-0", phase="Running")
    (request,) = await site.requests(1)
    assert (request.method, request.path) == (
        "PATCH",
        "/apis/starlink.dev/v1alpha1/namespaces/default/assignments/web-0/status",
    )
    assert request.body == {"status": {"phase": "Running"}}
    request.take()
    await alone
    two = [site.patch("web-0", phase="Running"), site.patch("web-1", phase="Failed")]
    (request,) = await site.requests(1)
    assert request.body["items"][1] == {
        "verb": "patch", "namespace": "default", "name": "web-1", "subresource": "status", "object": {"status": {"phase": "Failed"}},
    }  # fmt: skip
    request.take()
    assert await outcomes(two) == ["web-0", "web-1"]


async def test_until_it_is_known_whether_they_may_go_together_writes_go_singly() -> None:
    site = Site()
    writes = site.create(*names(10))
    requests = await site.requests(1 + site.singles)
    assert [one.is_discovery for one in requests].count(True) == 1 and not any(one.is_bulk for one in requests)
    next(one for one in requests if one.is_discovery).answer(200, OFFERED)
    for one in await site.requests(site.singles):
        one.take()
    (request,) = await site.requests(1)
    assert request.is_bulk and request.names == names(4, site.singles)
    request.take()
    assert await outcomes(writes) == names(10)


async def test_what_is_asked_in_one_turn_goes_in_one_request() -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(batch.FIRST))
    (request,) = await site.requests(1)
    assert request.is_bulk and request.names == names(batch.FIRST)
    assert request.body["items"][7] == {
        "verb": "create", "namespace": "default",
        "object": {"apiVersion": "starlink.dev/v1alpha1", "kind": "Assignment", "metadata": {"namespace": "default", "name": "web-7"}},
    }  # fmt: skip
    request.take()
    assert await outcomes(writes) == names(batch.FIRST)


async def test_while_enough_are_out_what_comes_waits_and_goes_together() -> None:
    site = Site()
    await site.learn()
    writes = []
    for number in range(REQUESTS + 50):
        writes += site.create(f"web-{number}")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    requests = await site.requests(REQUESTS)
    assert [one.names for one in requests] == [[name] for name in names(REQUESTS)]
    requests[1].take()
    assert [one.names for one in (await site.requests(REQUESTS))[-1:]] == [names(50, REQUESTS)]
    for one in await site.requests(REQUESTS):
        one.take()
    assert await outcomes(writes) == names(REQUESTS + 50)


async def test_more_than_fits_goes_in_more_requests() -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(batch.FIRST + 3))
    requests = await site.requests(2)
    assert [len(one.names) for one in requests] == [batch.FIRST, 3]
    for one in requests:
        one.take()
    assert await outcomes(writes) == names(batch.FIRST + 3)


@pytest.mark.parametrize(
    ("seconds", "sizes"),
    [(0.1, [64, 128, 256, 500, 500]), (0.5, [64] * 5), (1.5, [64, 32, 16, 8, 8]), (None, [64, 32, 16, 8, 8])],
)
async def test_requests_grow_while_they_are_short_and_shrink_when_they_are_long(
    seconds: float | None, sizes: list[int]
) -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(REQUESTS * 1500))
    found = []
    for _ in sizes:
        requests = (await site.requests(REQUESTS))[:]
        found.append(len(requests[0].names))
        site.clock.now += seconds or 0.0
        for request in requests:
            request.take() if seconds else request.fail(Unreachable("did not answer within 5 s"))
    assert found == sizes
    for one in writes:
        one.cancel()
    await asyncio.wait(writes)


def test_a_small_request_that_is_short_says_nothing_of_a_large_one() -> None:
    size = batch.Size()
    size.answered(3, 0.01)
    assert size.most == batch.FIRST
    size.lost(500)
    assert size.most == batch.FIRST, "it was begun before others were found to be too long"


@pytest.mark.parametrize(
    ("sizes", "most"),
    [
        ([10], 1),
        ([batch.MOST_BYTES + 1, 10], 1),
        ([batch.MOST_BYTES - 10, 10, 1], 2),
        ([1] * (batch.MOST_ITEMS + 1), batch.MOST_ITEMS),
        ([], 0),
    ],
)
def test_a_request_is_bounded_in_items_and_bytes_and_has_one_at_least(sizes: list[int], most: int) -> None:
    assert batch.fitting((write("web", b" " * size) for size in sizes), batch.MOST_ITEMS) == most


async def test_two_writes_of_one_object_are_done_one_after_the_other() -> None:
    site = Site()
    await site.learn()
    writes = [
        site.patch("web-0", number=1),
        site.patch("web-0", number=2),
        *site.create("web-1"),
        site.patch("web-0", number=3),
    ]
    (request,) = await site.requests(1)
    assert request.names == ["web-0", "web-1"]
    writes += site.create("web-2")
    requests = await site.requests(2)
    assert requests[1].names == ["web-2"], "an object's writes hold up no other's"
    request.take()
    for number in (2, 3):
        patched = next(one for one in await site.requests(2) if one.names == ["web-0"])
        assert patched.body == {"status": {"number": number}}
        patched.take()
    (await site.requests(1))[0].take()
    assert await outcomes(writes) == ["web-0", "web-0", "web-1", "web-0", "web-2"]


async def test_one_that_waits_behind_one_that_fails_is_sent() -> None:
    site = Site()
    writes = [site.patch("web-0", number=1), site.patch("web-0", number=2)]
    (await site.requests(1))[0].answer(409, NOT_FOUND | {"reason": "Conflict"})
    (await site.requests(1))[0].take()
    assert await outcomes(writes) == [Conflict, "web-0"]


# What each hears


async def test_each_hears_its_own_answer() -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(5))
    (request,) = await site.requests(1)
    items = [
        refusal(409, "AlreadyExists"),
        outcome("web-1"),
        refusal(403, "Forbidden"),
        refusal(422, "Invalid", "spec.slot: …"),
        refusal(503, ""),
    ]
    request.answer(200, answered(*items))
    assert await outcomes(writes) == [AlreadyExists, "web-1", Forbidden, Invalid, ServerTrouble]
    assert str(writes[3].exception()) == "spec.slot: …"
    assert [type(one) for one in site.api.told] == [AlreadyExists, Forbidden, Invalid, ServerTrouble]


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Unauthorized), (409, Conflict), (429, ServerTrouble), (500, ServerTrouble), (503, ServerTrouble)],
)
async def test_where_the_whole_is_refused_each_hears_that(status: int, error: type[ApiError]) -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(3))
    (await site.requests(1))[0].answer(status, {"kind": "Status", "message": "busy"})
    assert await outcomes(writes) == [error] * 3
    assert len({id(one.exception()) for one in writes}) == 3 and str(writes[2].exception()) == "busy"


async def test_one_for_which_the_answer_had_no_room_goes_by_itself() -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(4))
    (request,) = await site.requests(1)
    request.answer(
        200, answered(outcome("web-0"), refusal(413, "RequestEntityTooLarge"), outcome("web-2"), refusal(413, ""))
    )
    for name, code, body in (
        ("web-1", 201, written("web-1")),
        ("web-3", 413, {"kind": "Status", "message": "it is too large"}),
    ):
        (single,) = await site.requests(1)
        assert single.body["metadata"]["name"] == name
        single.answer(code, body)
        await asyncio.sleep(0)
    assert await outcomes(writes) == ["web-0", "web-1", "web-2", ApiError]
    assert str(writes[3].exception()) == "it is too large"


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_does_not_go_together_is_halved_until_each_has_its_own_answer(status: int) -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(4))
    sizes = []
    while not all(one.done() for one in writes):
        for request in site.api.out:
            sizes.append(len(request.names))
            if "web-2" not in request.names:
                request.take()
            else:
                request.answer(status, {"kind": "Status", "reason": "Invalid", "message": "too much"})
        await asyncio.sleep(0)
    assert sizes == [4, 2, 2, 1, 1]
    assert await outcomes(writes) == ["web-0", "web-1", {422: Invalid}.get(status, ApiError), "web-3"]


@pytest.mark.parametrize("error", [Unreachable("the connection broke"), Untrusted("another certificate")])
async def test_with_a_lost_connection_the_fate_of_each_is_unknown(error: Unreachable) -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(3))
    (await site.requests(1))[0].fail(error)
    assert await outcomes(writes) == [type(error)] * 3
    assert {str(one.exception()) for one in writes} == {str(error)} and len(site.api.asked) == 1


NONSENSE: dict[str, Any] = {
    "fewer": answered(outcome("web-0"), outcome("web-1")),
    "more": answered(*[outcome(name) for name in names(4)]),
    "in another order": answered(outcome("web-1"), outcome("web-0"), outcome("web-2")),
    "of another namespace": answered(
        outcome("web-0"),
        {"code": 201, "object": {**written("web-1"), "metadata": {"name": "web-1", "namespace": "x"}}},
        outcome("web-2"),
    ),
    "of another kind": answered(
        outcome("web-0"), {"code": 201, "object": {**written("web-1"), "kind": "Task"}}, outcome("web-2")
    ),
    "a refusal without a Status": answered(outcome("web-0"), outcome("web-1", 409), outcome("web-2")),
    "neither done nor refused": answered(outcome("web-0"), outcome("web-1", 302), outcome("web-2")),
    "a Status as if it were done": answered(
        outcome("web-0"), {**refusal(409, "Conflict"), "code": 200}, outcome("web-2")
    ),
    "a code that is no number": answered(outcome("web-0"), outcome("web-1", "201"), outcome("web-2")),  # type: ignore[arg-type]
    "another kind of answer": answered(*[outcome(name) for name in names(3)]) | {"kind": "List"},
    "no items": {"kind": "BulkWrite"},
    "null": None,
    "a list": [],
    "no JSON": b"<html>",
    "half of it": msgspec.json.encode(answered(*[outcome(name) for name in names(3)]))[:-40],
    "nothing": b"",
}


@pytest.mark.parametrize("what", NONSENSE)
async def test_nonsense_is_no_answer_for_anybody(what: str) -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(3))
    (await site.requests(1))[0].answer(200, NONSENSE[what])
    assert await outcomes(writes) == [Unreachable] * 3
    assert site.api.told == []


async def test_another_answer_that_is_no_refusal_is_none_either() -> None:
    site = Site()
    await site.learn()
    writes = site.create(*names(2))
    (await site.requests(1))[0].answer(302, b"")
    assert await outcomes(writes) == [Unreachable] * 2


def test_words_of_nonsense_hold_no_value() -> None:
    body = msgspec.json.encode(
        answered({"code": 201, "object": {**written("web-0"), "metadata": {"name": 17, "secret": "hush"}}})
    )
    with pytest.raises(Nonsense) as found:
        batch.outcomes(body, ASSIGNMENT, [write("web-0")])
    assert "hush" not in str(found.value) and "17" not in str(found.value)


async def test_a_failure_that_nobody_foresaw_reaches_each(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    await site.learn()

    def broken(_: Any) -> bytes:
        raise MemoryError

    monkeypatch.setattr(batch, "request", broken)
    writes = site.create(*names(2))
    assert await outcomes(writes) == [MemoryError] * 2
    monkeypatch.undo()
    again = site.create(*names(2))
    (await site.requests(1))[0].take()
    assert await outcomes(again) == names(2), "the next go out"
