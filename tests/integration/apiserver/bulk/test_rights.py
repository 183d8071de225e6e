"""Who may write many objects in one request: rights, agents, impersonation and policies hold for each item."""

import asyncio

import msgspec
import pytest
from tests.integration.apiserver.bulk.site import (
    ASSIGNMENTS,
    BULK,
    RULE,
    WRITER,
    Obj,
    Site,
    assignment,
    bulk,
    codes,
    create,
    grant,
    report,
    sent,
    write,
)
from tests.integration.apiserver.test_policies import BINDINGS, POLICIES, binding, policy

from starlink.api.kinds import ASSIGNMENT
from starlink.client.errors import ApiError, Forbidden
from starlink.client.kube import Client
from starlink.http.message import OPERATOR


async def test_one_that_is_refused_whole_leaves_a_line_and_one_that_is_not_leaves_its_items(
    site: Site, admin: Client
) -> None:
    with pytest.raises(ApiError):
        await write(admin, {**create("a"), "verb": "delete"})
    await write(admin, create("a"))
    found = [msgspec.json.decode(line) for line in site.audit.read_bytes().splitlines()]
    told = [(one["resource"], one["code"]) for one in found if one["resource"] in ("bulkwrites", "assignments")]
    assert told == [("bulkwrites", 422), ("assignments", 201)]


async def test_who_may_not_act_as_another_leaves_a_line(site: Site) -> None:
    as_admin = {"Impersonate-User": "root", "Impersonate-Group": "system:masters"}
    async with site.as_("jane") as jane:
        for path in (ASSIGNMENTS, BULK):
            with pytest.raises(Forbidden):
                await jane.raw("POST", path, headers={**as_admin, "Content-Type": "application/json"}, body={})
    found = [msgspec.json.decode(line) for line in site.audit.read_bytes().splitlines()]
    told = [(one["user"], one["resource"], one["code"]) for one in found if one["user"] == "jane"]
    assert told == [("jane", "assignments", 403), ("jane", "bulkwrites", 403)]


async def test_rights_are_looked_at_for_each_item(site: Site, admin: Client) -> None:
    await admin.raw("POST", "/api/v1/namespaces", body={"metadata": {"name": "other"}})
    await grant(admin, "joe", WRITER, "default")
    async with site.as_("joe") as joe:
        items = await write(joe, create("a"), create("a", namespace="other"), create("b"), report("a"))
    assert codes(items) == [201, 403, 201, 403]
    assert items[1]["object"]["message"] == (
        'assignments.starlink.dev is forbidden: User "joe" cannot create resource "assignments" in API group '
        '"starlink.dev" in the namespace "other"'
    )
    assert await site.names() == {"a", "b"}


async def test_who_may_write_nothing_may_ask(site: Site) -> None:
    async with site.as_("nobody") as nobody:
        assert codes(await write(nobody, create("a"), report("a"))) == [403, 403]
    assert await site.names() == set()


async def test_a_stranger_is_refused_whole(site: Site) -> None:
    config = site.wire.config(token="none")
    async with Client(config) as stranger:
        with pytest.raises(ApiError) as refused:
            await write(stranger, create("a"))
    assert refused.value.code == 401
    async with sent(site, bulk(create("a")), known=False) as talk:
        assert (await talk.answer()).status == 403
    assert await site.names() == set()


async def test_an_agent_writes_what_is_its_own_servers(site: Site, admin: Client) -> None:
    for server in ("s1", "s2"):
        await admin.create(ASSIGNMENT, assignment(f"on-{server}", server), "default")
    groups = ("system:serviceaccounts", "system:serviceaccounts:starlink-servers")
    headers = {
        "impersonate-user": "system:serviceaccount:starlink-servers:s1",
        "impersonate-group": groups[0],
    }
    items = await write(
        admin, report("on-s1"), report("on-s2"), create("mine"), report("gone"), headers=headers,
        fieldManager="starlink-agent",
    )  # fmt: skip
    assert codes(items) == [200, 403, 403, 404]
    assert "an agent may only do what is its own server's" in items[1]["object"]["message"]
    assert "status" not in await admin.get(ASSIGNMENT, "on-s2", "default")
    assert {
        (line["user"], line["impersonatedUser"]["username"]) for line in site.lines() if "impersonatedUser" in line
    } == {("admin", "system:serviceaccount:starlink-servers:s1")}
    assert len([line for line in site.lines() if "impersonatedUser" in line]) == 4


async def test_impersonation_is_asked_for_once_and_holds_for_all(site: Site, admin: Client) -> None:
    await grant(admin, "joe", WRITER, "default")
    headers = {"impersonate-user": "joe"}
    assert codes(await write(admin, create("a"), report("a"), headers=headers)) == [201, 403]
    async with site.as_("joe") as joe:
        with pytest.raises(ApiError, match="cannot impersonate") as refused:
            await write(joe, create("b"), headers={"impersonate-user": "admin", "impersonate-group": "system:masters"})
    assert refused.value.code == 403
    assert await site.names() == {"a"}


async def test_policies_look_at_each_item(site: Site, admin: Client) -> None:
    rule = policy(
        {"expression": "object.metadata.name != 'no'", "message": "not this one"}, rule=RULE,
        auditAnnotations=[{"key": "name", "valueExpression": "'named ' + object.metadata.name"}],
    )  # fmt: skip
    await admin.raw("POST", POLICIES, body=rule)
    await admin.raw("POST", BINDINGS, body=binding(("Deny",)))

    async def in_force() -> bool:
        return codes(await write(admin, create("no"), dryRun="All")) == [422]

    async with asyncio.timeout(20):
        while not await in_force():
            await asyncio.sleep(0.01)
    items = await write(admin, *(create(name) for name in ("a", "no", "b")), report("a"))
    assert codes(items) == [201, 422, 201, 200]
    assert items[1]["object"]["message"].endswith("denied request: not this one")
    noted = {(line["name"], line["annotations"]["p/name"]) for line in site.lines() if "annotations" in line}
    assert noted >= {("a", "named a"), ("b", "named b")}
    assert all(told == f"named {name}" for name, told in noted)


async def test_only_the_operator_writes_drivers(site: Site, admin: Client) -> None:
    def driver(name: str) -> Obj:
        item = create(name)
        item["object"]["spec"]["template"] = {"runtime": "Driver", "driver": {"name": "restic", "operation": "backup"}}
        return item

    items = await write(admin, create("a"), driver("b"), create("c"))
    assert codes(items) == [201, 403, 201]
    assert "only StarLink's operator may create what is of runtime Driver" in items[1]["object"]["message"]
    async with site.as_(OPERATOR) as operator:
        assert codes(await write(operator, driver("b"), create("d"))) == [201, 201]
    assert await site.names() == {"a", "b", "c", "d"}
