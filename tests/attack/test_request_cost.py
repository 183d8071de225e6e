"""What one request can make the server do is bounded, and meanwhile others are answered."""

import asyncio
import json
import threading
from functools import partial
from typing import Any

import msgspec
import pytest
from bench import assignments
from bench.core import AGENT
from bench.growing import case, kind
from bench.growing.case import APPLY, CONFIG_MAPS, JSON_PATCH, MERGE, STRATEGIC, WIDGETS, YAML, named, send
from tests.attack.prepared import api as api
from tests.attack.prepared import ask

from starlink.api import errors
from starlink.apiserver import aside
from starlink.apiserver.handler import Api
from starlink.apiserver.requests import bodies
from starlink.apiserver.requests.bulk import reading
from starlink.apiserver.requests.writing import json_patch
from starlink.apiserver.security.authorization import reviews
from starlink.apiserver.validation.values import MAX_VALUES
from starlink.http.fairness import Account
from starlink.http.message import Request, Response, User
from starlink.manifest import MAX_DIRECTIVES

SERVERS = "/apis/starlink.dev/v1alpha1/servers"
BODY = 3 * 1024 * 1024


async def make(api: Api, path: str, obj: Any) -> None:
    status, told = await ask(api, send("POST", path, obj))
    assert status == 201, told


def doublings(count: int, holder: str) -> list[dict[str, str]]:
    return [{"op": "copy", "from": holder, "path": f"{holder}/k{i}"} for i in range(count)]


@pytest.mark.parametrize(
    ("value", "code", "why"),
    [
        ("b", 413, f"what the JSON patch copies is too large: limit is {MAX_VALUES} names and values"),
        ("b" * 10_000, 422, f"exceeding the limit {json_patch.MAX_COPIED}"),
    ],
    ids=["values", "bytes"],
)
async def test_an_agent_cannot_double_a_part_of_its_server_without_end(
    api: Api, value: str, code: int, why: str
) -> None:
    """2 KB of copies would make 2³⁰ labels."""
    await make(api, SERVERS, named("Server", "starlink.dev/v1alpha1", "s1", spec={}))
    patch = [{"op": "add", "path": "/status", "value": {"a": value}}, *doublings(30, "/status")]
    status, told = await ask(api, send("PATCH", f"{SERVERS}/s1/status", patch, JSON_PATCH, user=AGENT))
    assert status == code and why in told["message"]
    if code == 422:
        assert int(told["message"].split("copy is ")[1].split(",")[0]) < 2 * json_patch.MAX_COPIED


async def test_copies_within_the_limit_are_made(api: Api) -> None:
    await make(api, WIDGETS, kind.widget(free={"a": "v" * 1000}))
    status, told = await ask(api, send("PATCH", f"{WIDGETS}/x", doublings(3, "/spec/free"), JSON_PATCH))
    assert status == 200 and set(told["spec"]["free"]) == {"a", "k0", "k1", "k2"}


async def test_a_json_patch_has_a_most_of_operations_and_of_what_it_moves(api: Api) -> None:
    await make(api, WIDGETS, kind.widget(free={"list": list(range(95_000))}))
    noop = {"op": "test", "path": "/kind", "value": "Widget"}
    status, told = await ask(api, send("PATCH", f"{WIDGETS}/x", [noop] * 10_001, JSON_PATCH))
    why = "Request entity is too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    assert (status, told["message"]) == (413, why)
    insert = {"op": "add", "path": "/spec/free/list/0", "value": 0}
    status, told = await ask(api, send("PATCH", f"{WIDGETS}/x", [insert] * 1_100, JSON_PATCH))
    assert status == 413 and str(json_patch.MAX_MOVED) in told["message"]


async def test_a_json_patch_cannot_nest_without_end(api: Api) -> None:
    """Each copy doubles the depth."""
    await make(api, WIDGETS, kind.widget(free={"a": {}}))
    patch, deepest = [], "/spec/free/a"
    for _ in range(9):
        patch.append({"op": "copy", "from": "/spec/free/a", "path": f"{deepest}/a"})
        deepest += deepest.removeprefix("/spec/free")
    status, told = await ask(api, send("PATCH", f"{WIDGETS}/x", patch, JSON_PATCH))
    assert status in (400, 422) and told["message"], told


async def test_a_failed_patch_shows_nothing_of_a_secret(api: Api) -> None:
    await make(api, case.SECRETS, named("Secret", stringData={"password": "hunter2"}))
    for operation in (
        {"op": "test", "path": "/data/password", "value": "guess"},
        {"op": "remove", "path": "/data/other"},
        {"op": "remove", "path": "/data/password/0"},
        {"op": "copy", "from": "/data/other/x", "path": "/data/a"},
    ):
        status, told = await ask(api, send("PATCH", f"{case.SECRETS}/x", [operation], JSON_PATCH))
        assert status == 422 and "aHVudGVyMg" not in msgspec.json.encode(told).decode(), told


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[" + b"a," * (BODY // 2 - 2) + b"a]", f"more than {bodies.MAX_YAML_VALUES} values"),
        (b"[" + b"!!str a," * (BODY // 8 - 2) + b"a]", f"more than {bodies.MAX_YAML_VALUES} values"),
        (b"".join(b"%%TAG !%d! b\n" % i for i in range(200_000)) + b"--- a\n", f"more than {MAX_DIRECTIVES} lines"),
        (b"".join(b"%%TAG !%d! b\r" % i for i in range(200_000)) + b"--- a\r", f"more than {MAX_DIRECTIVES} lines"),
        (b"[" * BODY, "nest"),
        (b"- " * (BODY // 2), "nest"),
        (b"a: " + b"0" * BODY, "must be one"),
        (b"a: 1" + b"0" * BODY, "64 bits"),
    ],
    ids=["flow list", "tags", "directives", "directives of another line end", "brackets", "dashes", "zeros", "digits"],
)
async def test_yaml_that_takes_long_is_refused(api: Api, body: bytes, why: str) -> None:
    status, told = await ask(api, send("POST", CONFIG_MAPS, body, YAML))
    assert status == (422 if body.startswith(b"a: 0") else 400), told
    assert why in told["message"] or status == 422


async def test_json_sent_as_yaml_is_read_as_json(api: Api) -> None:
    """As kubectl does, also what has more values than are read of YAML."""
    data = {f"k{i}": 'v\n"\u00fc\U0001f600' for i in range(15_000)}
    assert 2 * len(data) > bodies.MAX_YAML_VALUES
    status, told = await ask(
        api, send("PATCH", f"{CONFIG_MAPS}/x", named("ConfigMap", data=data), APPLY, fieldManager="m")
    )
    assert status == 201 and told["data"] == data
    twice = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"b","a":"c"}}'
    status, told = await ask(api, send("PATCH", f"{CONFIG_MAPS}/x", twice, APPLY, fieldManager="m"))
    assert status == 400 and "stands twice" in told["message"]


async def test_a_refusal_tells_its_first_causes(api: Api) -> None:
    """The n-th would have the whole list in it, and a path as long as what it refuses."""
    owners = [
        {"apiVersion": "v1", "kind": "K", "name": f"k{i}", "uid": f"u{i}", "controller": True} for i in range(3_000)
    ]
    for body, path in (
        (named("ConfigMap", metadata={"ownerReferences": owners}), CONFIG_MAPS),
        (named("ConfigMap", data={f"k {i}": "v" for i in range(3_000)}), CONFIG_MAPS),
        (kind.widget(map={"n" * 100_000: {f"k{i}": "x" for i in range(3_000)}}), WIDGETS),
        (kind.widget(parts=[{"name": "bad"}] * 3_000), WIDGETS),
        (kind.widget(plain=["x"] * 3_000), WIDGETS),
    ):
        status, told = await ask(api, send("POST", path, body))
        assert status == 422 and 0 < len(told["details"]["causes"]) <= errors.MOST_CAUSES
        assert len(msgspec.json.encode(told)) < 1024 * 1024


async def test_few_causes_are_all_told(api: Api) -> None:
    status, told = await ask(api, send("POST", WIDGETS, kind.widget(plain=["x"] * 60)))
    places = [cause["field"] for cause in told["details"]["causes"] if cause["field"].startswith("spec.plain")]
    assert status == 422 and len(places) == 60 and errors.MORE not in told["message"]


async def test_warnings_fit_into_a_header(api: Api) -> None:
    unknown = {f"unknown{i}": 1 for i in range(2_000)}
    answer = await api.handle(send("POST", CONFIG_MAPS, {**named("ConfigMap"), **unknown}))
    assert isinstance(answer, Response) and answer.status == 201
    assert 'unknown field \\"unknown0\\"' in answer.headers["warning"] and len(answer.headers["warning"]) < 8 * 1024


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"labelSelector": ",".join(["!a"] * 1_001)}, "may have 1000 requirements"),
        ({"fieldSelector": ",".join(["metadata.name!=a"] * 1_001)}, "may have 1000 terms"),
        ({"labelSelector": "a>" + "1" * 5_000}, "Invalid value"),
        ({"labelSelector": "a>1_0"}, "Invalid value"),
        ({"labelSelector": "a>9223372036854775808"}, "Invalid value"),
    ],
)
async def test_selectors_have_bounds(api: Api, query: dict[str, str], why: str) -> None:
    status, told = await ask(api, case.asked(CONFIG_MAPS, query))
    assert status == 400 and why in told["message"]


@pytest.mark.parametrize("text", ["1" * 300_000, "9" * 18 + "h", "9" * 400 + " days", "1" * 5_000 + "h"])
async def test_durations_that_are_none(api: Api, text: str) -> None:
    status, told = await ask(api, send("POST", WIDGETS, kind.widget(duration=text)))
    assert status == 422 and "must be of type duration" in told["message"]


async def test_a_rule_cannot_stand_for_millions(api: Api) -> None:
    """900 bytes say 40⁴ combinations."""
    words = [f"k{i}" for i in range(40)]
    rule = {"apiGroups": words, "resources": words, "verbs": words, "resourceNames": words}
    role = named("Role", "rbac.authorization.k8s.io/v1", rules=[rule])
    status, told = await ask(api, send("POST", case.ROLES, role, user=kind.WRITER))
    assert status == 403 and "too many combinations" in told["message"]


async def test_lists_are_merged_as_before(api: Api) -> None:
    account = named("ServiceAccount", secrets=[{"name": "a"}, {"name": "b"}, {"name": "c"}])
    await make(api, case.SERVICE_ACCOUNTS, account)
    patch = {
        "secrets": [{"name": "a", "$patch": "delete"}, {"name": "d"}, {"name": "b"}],
        "$setElementOrder/secrets": [{"name": "d"}, {"name": "c"}, {"name": "b"}],
    }
    status, told = await ask(api, send("PATCH", f"{case.SERVICE_ACCOUNTS}/x", patch, STRATEGIC))
    assert status == 200 and [one["name"] for one in told["secrets"]] == ["d", "c", "b"]


@pytest.mark.parametrize("media", [YAML, MERGE, JSON_PATCH])
async def test_others_are_answered_meanwhile(api: Api, media: str) -> None:
    """While a large request is computed, small ones come and go: how many depends on the machine, but never none."""
    await make(api, WIDGETS, kind.widget(free={"a": {"b": "c"}}))
    large = {
        YAML: send("POST", CONFIG_MAPS, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata:\n" + b"".join(b"  k%d: v\n" % i for i in range(9_000)), YAML),
        MERGE: send("PATCH", f"{WIDGETS}/x", {"spec": {"numbers": {f"k{i}": i for i in range(45_000)}}}, MERGE),
        JSON_PATCH: send("PATCH", f"{WIDGETS}/x", doublings(16, "/spec/free"), JSON_PATCH),
    }[media]  # fmt: skip
    working = asyncio.create_task(api.handle(large))
    await asyncio.sleep(0)  # it begins
    answered = 0
    while not working.done():
        status, _ = await ask(api, send("GET", f"{WIDGETS}/x"))
        assert status == 200
        answered += 1
        await asyncio.sleep(0)
    assert answered > 10
    given = await working
    assert isinstance(given, Response) and given.status < 500


async def test_what_is_created_late_looks_for_its_namespace_again(api: Api) -> None:
    """A large object is not put into a namespace that went while it was read."""
    await make(api, "/api/v1/namespaces", named("Namespace", name="ns"))
    path = "/api/v1/namespaces/ns/configmaps"
    working = asyncio.create_task(api.handle(send("POST", path, named("ConfigMap", data={"k": "v" * 400_000}))))
    await asyncio.sleep(0)
    status, _ = await ask(api, send("DELETE", "/api/v1/namespaces/ns"))
    assert status == 200
    given = await working
    assert isinstance(given, Response)
    assert given.status in (403, 404), given.body[:300]


async def test_work_beside_the_loop_raises_what_it_raises() -> None:
    def work() -> None:
        raise errors.bad_request("no")

    for weight in (0, aside.LARGE):
        with pytest.raises(errors.StatusError, match="no"):
            await aside.run(weight, work)


YAML_EVENT = b"apiVersion: v1\nkind: Event\nmetadata: {name: e}\nx:\n" + b"- a\n" * 19_000
LEASES = "/apis/coordination.k8s.io/v1/namespaces/starlink-servers/leases"
STRANGER = User("stranger", ("system:authenticated",))


class Decodings:
    """The YAML bodies that are decoded, in their order, and whether on the thread of the event loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bodies: list[bytes] = []
        self.on_loop = 0
        loop, decode = threading.get_ident(), bodies._yaml

        def decoded(body: bytes) -> Any:
            self.bodies.append(body)
            self.on_loop += threading.get_ident() == loop
            return decode(body)

        monkeypatch.setattr(bodies, "_yaml", decoded)


@pytest.mark.parametrize(
    ("request_", "decodings"),
    [
        (send("POST", "/api/v1/namespaces/default/events", YAML_EVENT, YAML, user=AGENT), 1),
        (send("POST", CONFIG_MAPS, YAML_EVENT, YAML, user=AGENT), 0),
        (send("POST", "/api/v1/namespaces", YAML_EVENT, YAML, user=AGENT), 0),
        (send("POST", f"{case.REVIEWS}/subjectaccessreviews", YAML_EVENT, YAML, user=AGENT), 0),
        (send("POST", f"{case.REVIEWS}/selfsubjectaccessreviews", YAML_EVENT, YAML, user=AGENT), 1),
        (send("POST", LEASES, YAML_EVENT, YAML, user=AGENT), 1),
        (send("POST", LEASES.replace("starlink-servers", "default"), YAML_EVENT, YAML, user=AGENT), 0),
        (send("POST", SERVERS, YAML_EVENT, YAML, user=AGENT), 1),
        (send("POST", "/api/v1/namespaces/starlink-servers/serviceaccounts/s1/token", YAML_EVENT, YAML, user=AGENT), 1),
        (send("POST", "/api/v1/namespaces/starlink-servers/serviceaccounts/s2/token", YAML_EVENT, YAML, user=AGENT), 0),
        (send("DELETE", f"{SERVERS}/s1", YAML_EVENT, YAML, user=AGENT), 0),
        (send("DELETE", f"{CONFIG_MAPS}/x", YAML_EVENT, YAML), 1),
        (send("DELETE", CONFIG_MAPS, YAML_EVENT, YAML), 1),
        (send("POST", CONFIG_MAPS, YAML_EVENT, YAML, user=STRANGER), 0),
        (send("PATCH", f"{CONFIG_MAPS}/x", YAML_EVENT, APPLY, fieldManager="m"), 1),
        (send("POST", CONFIG_MAPS, YAML_EVENT[:1_500], YAML), 1),
    ],
    ids=lambda one: f"{one.user.name[-8:]} {one.method} {one.path[-30:]}" if isinstance(one, Request) else "",
)
async def test_a_body_is_decoded_once_beside_the_loop_and_only_of_who_may_send_it(
    api: Api, request_: Request, decodings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small one too: its values take the longest."""
    seen = Decodings(monkeypatch)
    status, told = await ask(api, request_)
    assert status < 500, told
    assert (len(seen.bodies), seen.on_loop) == (decodings, 0)


async def test_an_agent_still_makes_what_is_its_own_and_nothing_else(api: Api) -> None:
    """Its name is in the body, be it large or small."""
    for padding in (b"", b" " * 20_000):
        for path, api_version, of in (
            (LEASES, "coordination.k8s.io/v1", "Lease"),
            (SERVERS, "starlink.dev/v1alpha1", "Server"),
        ):
            for name, code in (("s1", 201), ("s2", 403)):
                body = msgspec.json.encode(named(of, api_version, name, spec={})) + padding
                status, told = await ask(api, send("POST", path, body, user=AGENT, dryRun="All"))
                assert status == code, told


async def test_users_take_turns_at_the_thread_beside_the_loop() -> None:
    turns, going = aside.Turns(), threading.Event()
    done: list[str] = []
    first = asyncio.create_task(turns.run(Account("a"), going.wait))
    users = [*["a"] * 10, "b", "c", "b"]
    rest = [asyncio.create_task(turns.run(Account(user), partial(done.append, user))) for user in users]
    await asyncio.sleep(0)  # all of them wait
    rest[1].cancel()
    await asyncio.sleep(0)  # it has heard of it
    going.set()
    await asyncio.gather(first, *rest, return_exceptions=True)
    assert done[:2] in (["a", "b"], ["b", "c"]) and set(done[:5]) == {"a", "b", "c"}
    assert done.count("a") == 9 and done.count("b") == 2


async def test_a_stranger_with_many_large_requests_waits_for_himself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Decodings(monkeypatch)
    path = f"{case.REVIEWS}/selfsubjectaccessreviews"
    flood = [asyncio.create_task(api.handle(send("POST", path, YAML_EVENT, YAML, user=STRANGER))) for _ in range(12)]
    await asyncio.sleep(0)
    ours = YAML_EVENT.replace(b"a", b"b", 1)
    status, _ = await ask(api, send("POST", CONFIG_MAPS, ours, YAML))
    assert status == 400
    assert seen.bodies.index(ours) <= 2  # the first was being read, and the second may have had its turn
    for waiting in flood:
        waiting.cancel()
    await asyncio.gather(*flood, return_exceptions=True)


SAR = {"resourceAttributes": {"verb": "get", "resource": "pods"}}


SELF_REVIEWS = "authorization.k8s.io/v1/selfsubjectaccessreviews"
FIELD_SELECTOR = "spec.resourceAttributes.fieldSelector"
NAMED = {"key": "metadata.name", "operator": "In", "values": ["v"]}


def selecting(**selector: Any) -> dict[str, Any]:
    """The spec of a review of a list by a field selector."""
    return {"resourceAttributes": {"verb": "list", "resource": "x", "fieldSelector": selector}}


@pytest.mark.parametrize(
    ("path", "spec", "field"),
    [
        ("authentication.k8s.io/v1/tokenreviews", {"token": "x", "audiences": ["a"] * 90_000}, "spec.audiences"),
        ("authentication.k8s.io/v1/tokenreviews", {"token": "x" * 2**20}, "spec.token"),
        ("authorization.k8s.io/v1/subjectaccessreviews", {**SAR, "groups": ["g"] * 90_000}, "spec.groups"),
        (
            "authorization.k8s.io/v1/subjectaccessreviews",
            {**SAR, "user": "u", "extra": {f"k{i}": ["v"] for i in range(30_000)}},
            "spec.extra",
        ),
        (SELF_REVIEWS, selecting(rawSelector=",".join(["a=b"] * 1_001)), f"{FIELD_SELECTOR}.rawSelector"),
        (SELF_REVIEWS, selecting(requirements=[NAMED] * 1_001), f"{FIELD_SELECTOR}.requirements"),
        (
            SELF_REVIEWS,
            selecting(requirements=[{**NAMED, "values": ["v"] * 1_001}]),
            f"{FIELD_SELECTOR}.requirements[0].values",
        ),
    ],
    ids=["audiences", "token", "groups", "extra", "raw selector", "requirements", "values"],
)
async def test_a_review_asks_a_bounded_question(api: Api, path: str, spec: Any, field: str) -> None:
    status, told = await ask(api, send("POST", f"/apis/{path}", {"spec": spec}))
    assert status == 422 and [cause["field"] for cause in told["details"]["causes"]] == [field], told["message"][:300]


@pytest.mark.parametrize(
    ("selector", "code"),
    [
        ({"rawSelector": ",".join(["a=b"] * 700_000)}, 422),
        ({"rawSelector": ",".join(["a=" + "b" * 60] * 1_000)}, 201),
        ({"requirements": [NAMED] * 1_000}, 201),
    ],
    ids=["too many", "many", "many requirements"],
)
async def test_a_long_review_is_read_beside_the_loop(
    api: Api, selector: dict[str, Any], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, read = list[int](), reviews._attribute_causes

    def noted(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return read(*arguments)

    monkeypatch.setattr(reviews, "_attribute_causes", noted)
    status, told = await ask(api, send("POST", f"/apis/{SELF_REVIEWS}", {"spec": selecting(**selector)}, user=AGENT))
    assert status == code, told
    assert threads and threading.get_ident() not in threads
    assert len(msgspec.json.encode(told)) < 128 * 1024


@pytest.mark.parametrize("media", [case.JSON, MERGE, YAML])
async def test_numbers_have_a_most_of_digits(api: Api, media: str) -> None:
    """What is read of a number takes the square of its digits."""
    await make(api, WIDGETS, kind.widget())
    asked = ("PATCH", f"{WIDGETS}/x") if media == MERGE else ("POST", WIDGETS)
    body = b'{"a": "' + b"7" * 5_000 + b'", "b": [' + b",".join([b"7" * 4_000] * 700) + b"]}"
    status, told = await ask(api, send(*asked, body, media))
    assert status == 400 and f"more than {bodies.MAX_DIGITS} digits" in told["message"]


async def test_text_has_as_many_digits_as_it_likes(api: Api) -> None:
    data = {"a": "7" * 5_000, "b": '"' + "7" * 5_000, "c": "\\" + "7" * 5_000}
    status, told = await ask(api, send("POST", CONFIG_MAPS, named("ConfigMap", data=data)))
    assert status == 201 and told["data"] == data


async def test_a_role_of_many_rules_is_told_beside_the_loop(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    await make(api, case.ROLES, named("Role", "rbac.authorization.k8s.io/v1", rules=[rule] * 5_000))
    binding: dict[str, Any] = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": STRANGER.name}],
    }
    bindings = case.ROLES.replace("/roles", "/rolebindings")
    await make(api, bindings, named("RoleBinding", "rbac.authorization.k8s.io/v1", **binding))
    threads, answered = [], reviews.self_subject_rules_review

    def noted(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return answered(*arguments)

    monkeypatch.setattr(reviews, "self_subject_rules_review", noted)
    body = {"spec": {"namespace": "default"}}
    status, told = await ask(api, send("POST", f"{case.REVIEWS}/selfsubjectrulesreviews", body, user=STRANGER))
    assert status == 201 and len(told["status"]["resourceRules"]) >= 5_000
    assert threads and threading.get_ident() not in threads


BULK = {"apiVersion": "bulk.starlink.dev/v1alpha1", "kind": "BulkWrite"}


async def test_a_bulk_write_is_read_beside_the_loop(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, read = list[int](), reading.read

    def noted(body: bytes) -> Any:
        threads.append(threading.get_ident())
        return read(body)

    monkeypatch.setattr(reading, "read", noted)
    items = [{"verb": "create", "namespace": "default", "object": assignments.assignment(n)} for n in range(60)]
    status, told = await ask(api, send("POST", assignments.BULK, {**BULK, "items": items}))
    assert status == 200 and {item["code"] for item in told["items"]} == {201}
    assert len(threads) == 1 and threading.get_ident() not in threads


@pytest.mark.parametrize(
    ("body", "code", "item"),
    [
        ({"list": [[]] * 60_000}, 200, 413),
        ({"data": "v" * 2_000_000}, 200, 400),
        ({"number": 10**500}, 200, 400),
    ],
    ids=["values", "bytes", "digits"],
)
async def test_an_item_has_the_bounds_of_a_body(api: Api, body: Any, code: int, item: int) -> None:
    good = {"verb": "create", "namespace": "default", "object": assignments.assignment(0)}
    bad = {"verb": "create", "namespace": "default", "object": body}
    content = json.dumps({**BULK, "items": [bad, good]}).encode()
    status, told = await ask(api, send("POST", assignments.BULK, content))
    assert (status, [one["code"] for one in told["items"]]) == (code, [item, 201])
    assert len(json.dumps(told)) < 128 * 1024
