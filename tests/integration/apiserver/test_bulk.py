"""Many writes of Assignments in one request, over the wire: each is judged, written and noted by itself."""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.crash.site import ApiServer
from tests.integration.apiserver.serving import Talk
from tests.integration.apiserver.test_policies import BINDINGS, POLICIES, binding, policy
from tests.integration.conftest import Wire

from starlink.api.kinds import ASSIGNMENT
from starlink.apiserver.__main__ import version
from starlink.apiserver.handler import Api
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.requests.audit import AuditLog
from starlink.apiserver.requests.bulk import answering
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.errors import ApiError, Forbidden, Unreachable
from starlink.client.kube import Client
from starlink.http.limits import Limits
from starlink.http.server import HttpServer
from starlink.http.tls import TlsContext
from starlink.store.sqlite import SqliteStore

BULK = "/apis/bulk.starlink.dev/v1alpha1/bulkwrites"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ASSIGNMENTS = f"{ASSIGNMENT.path}/namespaces/default/assignments"
RULE = {
    "apiGroups": ["starlink.dev"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
    "resources": ["assignments", "assignments/status"],
}  # fmt: skip

Obj = dict[str, Any]


def assignment(name: str, server: str = "s1", **meta: Any) -> Obj:
    spec = {"server": server, "slot": "0", "attempt": 1, "template": {"command": ["x"]}}
    return {
        "apiVersion": ASSIGNMENT.api_version, "kind": ASSIGNMENT.kind, "metadata": {"name": name, **meta}, "spec": spec,
    }  # fmt: skip


def create(name: str, namespace: str = "default", server: str = "s1", **meta: Any) -> Obj:
    return {"verb": "create", "namespace": namespace, "object": assignment(name, server, **meta)}


def report(name: str, phase: str = "Running", namespace: str = "default") -> Obj:
    return {
        "verb": "patch", "namespace": namespace, "name": name, "subresource": "status",
        "object": {"status": {"phase": phase}},
    }  # fmt: skip


def bulk(*items: Obj, **parts: Any) -> Obj:
    return {"apiVersion": "bulk.starlink.dev/v1alpha1", "kind": "BulkWrite", "items": list(items), **parts}


async def write(client: Client, *items: Obj, headers: dict[str, str] | None = None, **query: str) -> list[Obj]:
    """What became of the items."""
    given = {"content-type": "application/json", **(headers or {})}
    answer = msgspec.json.decode(await client.raw("POST", BULK, body=bulk(*items), query=query, headers=given))
    assert (answer["apiVersion"], answer["kind"]) == ("bulk.starlink.dev/v1alpha1", "BulkWrite")
    assert answer.keys() == {"apiVersion", "kind", "items"} and len(answer["items"]) == len(items)
    assert all(item.keys() == {"code", "object"} for item in answer["items"])
    return list(answer["items"])


def codes(items: Sequence[Obj]) -> list[int]:
    return [item["code"] for item in items]


async def objects(client: Client) -> list[Obj]:
    return [msgspec.json.decode(one) for one in (await client.list(ASSIGNMENT)).items]


@contextlib.asynccontextmanager
async def sent(site: "Site", body: Obj, *, known: bool = True) -> AsyncIterator[Talk]:
    """A connection on which a bulk write was sent, and nothing more."""
    context = ssl.create_default_context(cafile=str(site.wire.pki.ca))
    if known:
        context.load_cert_chain(*site.wire.pki.client("admin", ("system:masters",)))
    reader, writer = await asyncio.open_connection("127.0.0.1", site.wire.port, ssl=context)
    try:
        talk = Talk(reader, writer)
        talk.send(f"POST {BULK} HTTP/1.1", body=msgspec.json.encode(body))
        yield talk
    finally:
        writer.transport.abort()


@dataclass
class Site:
    """An API server on SQLite with an audit log, which listens."""

    wire: Wire
    api: Api
    server: HttpServer
    audit: Path

    def lines(self) -> list[Obj]:
        found = [msgspec.json.decode(line) for line in self.audit.read_bytes().splitlines()]
        return [line for line in found if line.get("resource") == "assignments"]

    @contextlib.asynccontextmanager
    async def as_(self, user: str, *groups: str, **options: Any) -> AsyncIterator[Client]:
        async with Client(self.wire.config(user, groups), **options) as made:
            yield made

    async def names(self) -> set[str]:
        async with Client(self.wire.config()) as client:
            return {one["metadata"]["name"] for one in await objects(client)}


@pytest.fixture
async def site(tmp_path: Path, pki: Pki) -> AsyncIterator[Site]:
    store, tokens = SqliteStore(tmp_path / "s.db"), TokenIssuer(pki.token_key)
    authenticator = Authenticator(tokens, encoding.finder(store), time.time)
    path = tmp_path / "audit.log"
    audit = AuditLog(path, time.time, later=asyncio.get_running_loop().call_soon)
    api = Api(
        store, Registry(builtin_resources()), tokens, authenticate=authenticator.of_token, audit=audit,
        version=version(), now=time.time, clock=time.monotonic, rng=random.Random(1),
    )  # fmt: skip
    await api.start()
    server = HttpServer(
        api.handle, authenticator, refused=api.refused, precheck=api.precheck, notes=audit,
        limits=Limits(handled_per_user=50),
    )  # fmt: skip
    port = await server.start("127.0.0.1", 0, TlsContext(*pki.server(["127.0.0.1"]), pki.ca))
    yield Site(Wire(port, pki), api, server, path)
    await server.stop()
    await api.stop()
    audit.close()


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Client]:
    async with Client(site.wire.config()) as made:
        yield made


async def grant(client: Client, user: str, rules: list[Obj], namespace: str = "") -> None:
    """Rights in one namespace, or everywhere."""
    under, prefix = (f"{RBAC}/namespaces/{namespace}", "") if namespace else (RBAC, "Cluster")
    role = {"metadata": {"name": user}, "rules": rules}
    await client.raw("POST", f"{under}/{prefix.lower()}roles", body=role)
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{prefix}Role", "name": user}
    subjects = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]
    bound = {"metadata": {"name": user}, "roleRef": ref, "subjects": subjects}
    await client.raw("POST", f"{under}/{prefix.lower()}rolebindings", body=bound)


WRITER = [{"apiGroups": ["starlink.dev"], "resources": ["assignments"], "verbs": ["create", "get"]}]


# What becomes of items


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


# Who may


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


# What is noted


async def test_each_item_has_its_line_and_its_count(site: Site, admin: Client) -> None:
    await admin.create(ASSIGNMENT, assignment("there"), "default")
    before = len(site.lines())
    headers = {"user-agent": "operator/1"}
    await write(admin, create("a"), create("there"), create("b", "none"), report("there"), headers=headers)
    lines = site.lines()[before:]
    told = [tuple(line[field] for field in ("verb", "namespace", "name", "requestURI", "code")) for line in lines]
    assert sorted(told) == [
        ("create", "default", "a", ASSIGNMENTS, 201),
        ("create", "default", "there", ASSIGNMENTS, 409),
        ("create", "none", "none", ASSIGNMENTS.replace("default", "none"), 404),
        ("patch", "default", "there", f"{ASSIGNMENTS}/there/status", 200),
    ]
    assert {(line["user"], line["userAgent"], line["sourceIP"]) for line in lines} == {
        ("admin", "operator/1", "127.0.0.1")
    }
    counted = site.api.metrics.requests
    assert counted["create", "starlink.dev", "assignments", "", 201] == 2
    assert counted["create", "starlink.dev", "assignments", "", 409] == 1
    assert counted["create", "starlink.dev", "assignments", "", 404] == 1
    assert counted["patch", "starlink.dev", "assignments", "status", 200] == 1
    assert counted["create", "bulk.starlink.dev", "bulkwrites", "", 200] == 1


async def test_every_line_is_written_before_the_answer_and_those_of_one_commit_at_once(
    site: Site, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups, append = list[int](), AuditLog._append

    def noted(log: AuditLog, lines: Sequence[bytes]) -> int:
        groups.append(len(lines))
        return append(log, lines)

    monkeypatch.setattr(AuditLog, "_append", noted)
    for number in range(10):
        made = {f"a-{number}-{index}" for index in range(50)}
        await write(admin, *map(create, made))
        assert {line["name"] for line in site.lines()[-50:]} == made
    assert sum(groups) == 500 and len(groups) <= 250


# What is refused whole


@pytest.mark.parametrize(
    ("body", "headers", "code", "told"),
    [
        (bulk(create("a"), {**create("b"), "verb": "delete"}), {}, 422, 'items[1].verb: Invalid value: "delete"'),
        (bulk(create("a"), {**report("a"), "subresource": "scale"}), {}, 422, "items[1].subresource"),
        (bulk(create("a"), {**create("b"), "namespace": "a/b"}), {}, 422, "items[1].namespace"),
        (bulk(create("a"), {**create("b"), "object": 1}), {}, 422, "items[1].object"),
        (bulk(create("a"), {**create("b"), "when": "now"}), {}, 422, "unknown field `when`"),
        (bulk(create("a"), options={}), {}, 400, "unknown field `options`"),
        (bulk(), {}, 422, "items: Required value"),
        ([create("a")], {}, 400, "Expected `object`, got `array`"),
        (bulk(create("a"), apiVersion="bulk.starlink.dev/v2"), {}, 400, "apiVersion"),
        (b"items: []", {"content-type": "application/yaml"}, 415, "application/json"),
        (b"k8s\0", {"content-type": "application/vnd.kubernetes.protobuf"}, 415, "application/json"),
        (bulk(create("a")), {"accept": "text/html"}, 406, "Available representations"),
        (b" " * (3 * 1024 * 1024) + b" ", {}, 413, "3145728"),
    ],
)
async def test_what_is_wrong_writes_nothing(
    site: Site, admin: Client, body: Any, headers: dict[str, str], code: int, told: str
) -> None:
    with pytest.raises(ApiError) as refused:
        await admin.raw("POST", BULK, body=body, headers={"content-type": "application/json", **headers})
    assert refused.value.code == code and told in str(refused.value)
    assert await site.names() == set() and site.lines() == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", BULK), ("DELETE", BULK), ("GET", f"{BULK}/x"), ("PUT", f"{BULK}/x")]
)
async def test_it_is_for_nothing_else(admin: Client, method: str, path: str) -> None:
    with pytest.raises(ApiError) as refused:
        await admin.raw(method, path)
    assert refused.value.code == 405


async def test_discovery_and_openapi_tell_of_it(admin: Client) -> None:
    listed = msgspec.json.decode(await admin.raw("GET", "/apis/bulk.starlink.dev/v1alpha1"))
    assert listed["resources"] == [
        {
            "name": "bulkwrites",
            "singularName": "bulkwrite",
            "namespaced": False,
            "kind": "BulkWrite",
            "verbs": ["create"],
        }
    ]
    paths = msgspec.json.decode(await admin.raw("GET", "/openapi/v3"))["paths"]
    url = paths["apis/bulk.starlink.dev/v1alpha1"]["serverRelativeURL"]
    path, _, query = url.partition("?")
    document = msgspec.json.decode(await admin.raw("GET", path, query=dict([query.split("=")])))
    assert set(document["paths"][BULK]) >= {"post"}
    (schema,) = [one for name, one in document["components"]["schemas"].items() if name.endswith("BulkWrite")]
    assert schema["properties"]["items"]["maxItems"] == 500


# Trouble


async def test_answers_have_a_most(site: Site, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MOST_ANSWERED", 40_000)
    items = await write(admin, *(create(f"a-{number}") for number in range(300)))
    made = {item["object"]["metadata"]["name"] for item in items if item["code"] == 201}
    refused = [item["object"]["message"] for item in items if item["code"] == 413]
    assert len(made) + len(refused) == 300 and 40 < len(made) < 200
    assert "not begun" in refused[0] and await site.names() == made


async def test_a_client_that_goes_away_leaves_each_item_whole_or_absent(site: Site, admin: Client) -> None:
    """And a line for each that is there."""
    async with sent(site, bulk(*(create(f"a-{number}") for number in range(500)))):
        await soon(lambda: site.api.store.list("starlink.dev/assignments"), "the first items to be there")
    await soon(lambda: site.server._dispatcher._queue.handled == 0, "all that was begun to end")
    await asyncio.sleep(0)
    there = await site.names()
    assert 0 < len(there) < 500
    assert all(one["metadata"]["uid"] and one["spec"]["server"] == "s1" for one in await objects(admin))
    noted = [line for line in site.lines() if line["code"] in (201, 499)]
    assert len(noted) >= len(there)
    assert {line["name"] for line in noted if line["code"] == 201} <= there
    assert codes(await write(admin, create("after"))) == [201]
    again = await write(admin, *(create(f"a-{number}") for number in range(500)))
    assert {name["code"] for name in again} == {201, 409}
    assert len(await site.names()) == 501


async def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    """And what was not is whole or absent."""
    server = ApiServer(tmp_path / "server")
    server.start()
    try:
        server.wait()
        answered = set[str]()
        async with Client(server.config()) as client:

            async def keep_writing(writer: int) -> None:
                for number in range(1_000):
                    items = await write(client, *(create(f"a-{writer}-{number}-{index}") for index in range(50)))
                    answered.update(item["object"]["metadata"]["name"] for item in items if item["code"] == 201)

            writing = [asyncio.create_task(keep_writing(writer)) for writer in range(3)]
            await soon(lambda: len(answered) >= 300, "some to be answered")
            server.kill()
            ended = await asyncio.gather(*writing, return_exceptions=True)
        assert all(isinstance(end, Unreachable) for end in ended), ended
        server.start()
        await asyncio.to_thread(server.wait)
        async with Client(server.config()) as client:
            there = {one["metadata"]["name"]: one for one in await objects(client)}
            assert answered <= there.keys()
            assert all(one["spec"]["server"] == "s1" and one["metadata"]["uid"] for one in there.values())
        text = (server.folder / "logs" / "audit.log").read_text()
        noted = {line["name"] for line in map(msgspec.json.decode, text.splitlines()) if line["code"] == 201}
        assert answered <= noted
    finally:
        server.kill()
