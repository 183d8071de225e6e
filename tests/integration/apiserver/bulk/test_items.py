"""Many writes of Assignments in one request, over the wire: what becomes of each item."""

import msgspec
import pytest
from tests.integration.apiserver.bulk.site import (
    ASSIGNMENTS,
    Site,
    assignment,
    bulk,
    codes,
    create,
    report,
    sent,
    write,
)

from starlink.api.kinds import ASSIGNMENT
from starlink.client.errors import ApiError
from starlink.client.kube import Client


async def test_each_item_has_its_own_answer(site: Site, admin: Client) -> None:
    await admin.create(ASSIGNMENT, assignment("there"), "default")
    items = await write(
        admin,
        create("new"),
        create("there"),
        create("BAD NAME"),
        create("nowhere", namespace="none"),
        {**create("x"), "object": {**assignment("x"), "kind": "Task"}},
        {**create("x"), "object": {**assignment("x"), "spec": {"server": 7}}},
        report("there"),
        report("gone"),
        report("there", phase="Dancing"),
    )
    assert codes(items) == [201, 409, 422, 404, 422, 422, 200, 404, 422]
    made = items[0]["object"]
    assert made == await admin.get(ASSIGNMENT, "new", "default")
    assert (made["kind"], made["metadata"]["generation"]) == ("Assignment", 1)
    assert items[6]["object"] == await admin.get(ASSIGNMENT, "there", "default")
    assert items[6]["object"]["status"]["phase"] == "Running"
    for item in items:
        if item["code"] >= 400:
            assert (item["object"]["kind"], item["object"]["code"]) == ("Status", item["code"])
    assert items[1]["object"]["message"] == 'assignments.starlink.dev "there" already exists'
    assert await site.names() == {"new", "there"}


async def test_an_item_is_answered_as_the_single_request_is(admin: Client) -> None:
    """Byte by byte, but for what no two writes share."""
    (bulked,) = await write(admin, create("a", labels={"x": "y"}))
    single = msgspec.json.decode(await admin.raw("POST", ASSIGNMENTS, body=assignment("b", labels={"x": "y"})))
    for obj in (bulked["object"], single):
        for field in ("name", "uid", "resourceVersion", "creationTimestamp"):
            del obj["metadata"][field]
        for entry in obj["metadata"]["managedFields"]:
            del entry["time"]
    assert bulked["object"] == single
    (refused,) = await write(admin, create("a", finalizers=["a b"]))
    with pytest.raises(ApiError) as alone:
        await admin.raw("POST", ASSIGNMENTS, body=assignment("a", finalizers=["a b"]))
    assert (refused["code"], refused["object"]["message"]) == (alone.value.code, alone.value.message)


async def test_as_many_as_may_be_and_one_more(site: Site, admin: Client) -> None:
    items = await write(admin, *(create(f"a-{number}") for number in range(500)))
    assert set(codes(items)) == {201}
    assert [item["object"]["metadata"]["name"] for item in items] == [f"a-{number}" for number in range(500)]
    assert len({item["object"]["metadata"]["resourceVersion"] for item in items}) == 500
    reports = await write(admin, *(report(f"a-{number}") for number in range(500)))
    assert {(item["code"], item["object"]["status"]["phase"]) for item in reports} == {(200, "Running")}
    with pytest.raises(ApiError, match="items: Too many: 501: must have at most 500 items"):
        await write(admin, *(create(f"b-{number}") for number in range(501)))
    assert await site.names() == {f"a-{number}" for number in range(500)}


async def test_the_options_are_those_of_all_items(site: Site, admin: Client) -> None:
    items = await write(admin, create("a"), create("b"), dryRun="All")
    assert codes(items) == [201, 201] and await site.names() == set()
    odd = {**create("a"), "object": {**assignment("a"), "colour": "red"}}
    (strict,) = await write(admin, odd, fieldValidation="Strict")
    assert strict["code"] == 400 and 'unknown field "colour"' in strict["object"]["message"]
    (made,) = await write(admin, odd, fieldManager="me")
    assert made["code"] == 201
    assert [entry["manager"] for entry in made["object"]["metadata"]["managedFields"]] == ["me"]
    with pytest.raises(ApiError, match="dryRun"):
        await write(admin, create("c"), dryRun="Some")
    with pytest.raises(ApiError, match="fieldValidation"):
        await write(admin, create("c"), fieldValidation="Never")
    assert await site.names() == {"a"}


async def test_warnings_of_items_are_the_answers(site: Site, admin: Client) -> None:
    odd = {**assignment("a"), "colour": "red"}
    items = {**create("a"), "object": odd}, {**create("b"), "object": {**assignment("b"), "colour": "red", "shape": 1}}
    async with sent(site, bulk(*items)) as talk:
        answer = await talk.answer()
    assert codes(answer.json["items"]) == [201, 201]
    assert sorted(answer.headers["warning"].split(", ")) == [
        '299 - "unknown field \\"colour\\""', '299 - "unknown field \\"colour\\""', '299 - "unknown field \\"shape\\""',
    ]  # fmt: skip
