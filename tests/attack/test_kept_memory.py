"""What clients invent is not kept for good, however long it is and wherever it stands."""

import asyncio
import datetime
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.apiserver.serving import serving
from tests.integration.conftest import Core

from starlink.apiserver.definitions import stored
from starlink.apiserver.memo import SHORT, Memo, length, remembered
from starlink.apiserver.objects import fieldset
from starlink.apiserver.requests import options
from starlink.apiserver.requests.reading import accepting
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.authorization import authorizer as authorizing
from starlink.apiserver.security.authorization.authorizer import Authorizer
from starlink.apiserver.security.authorization.rbac import Attributes
from starlink.apiserver.security.certificates.pki import Pki
from starlink.http.message import Request, User
from starlink.store.base import Key
from starlink.store.memory import MemoryStore

REVIEWS = "/apis/authorization.k8s.io/v1"
JANE = User("jane", ("system:authenticated",))
LONG = "x" * 200_000
GROUP = "rbac.authorization.k8s.io"


def text_reached(root: object) -> int:
    """Characters of all texts that an object refers to in the end, each once."""
    seen, total, waiting = set[int](), 0, [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, str | bytes):
            total += len(one)
        elif isinstance(one, Memo):
            waiting.append(one._values)
        elif isinstance(one, msgspec.Struct):
            waiting += msgspec.structs.astuple(one)
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
    return total


@pytest.mark.parametrize(
    "attributes",
    [{name: LONG} for name in ("verb", "group", "version", "resource", "subresource", "namespace", "name")],
    ids=lambda attributes: next(iter(attributes)),
)
async def test_what_is_asked_of_oneself_is_not_kept(core: Core, attributes: dict[str, str]) -> None:
    authorizer = core.api.guard.authorizer
    for number in range(5):
        asked = {"verb": "get", "resource": "x", **{name: f"{value}{number}" for name, value in attributes.items()}}
        review = await core(
            "POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": asked}}, user=JANE
        )
        assert review.status == 201 and review.body["status"]["allowed"] is False
    assert text_reached([authorizer._held, authorizer._decisions]) < len(LONG)


@pytest.mark.parametrize(
    "subject",
    [{"user": LONG}, {"groups": [LONG]}, {"user": "a", "uid": LONG}, {"user": "a", "extra": {"k": [LONG]}}],
    ids=["user", "groups", "uid", "extra"],
)
async def test_who_is_asked_about_is_not_kept(core: Core, subject: dict[str, Any]) -> None:
    authorizer = core.api.guard.authorizer
    spec = {**subject, "resourceAttributes": {"verb": "get", "resource": "x", "namespace": "default"}}
    assert (await core("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": spec})).status == 201
    assert text_reached([authorizer._held, authorizer._decisions]) < len(LONG)


async def test_paths_and_verbs_of_paths_are_not_kept(core: Core) -> None:
    authorizer = core.api.guard.authorizer
    for asked in ({"verb": LONG, "path": "/a"}, {"verb": "get", "path": f"/{LONG}"}):
        spec = {"nonResourceAttributes": asked}
        review = await core("POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec}, user=JANE)
        assert review.status == 201
    assert text_reached([authorizer._held, authorizer._decisions]) < len(LONG)


async def test_long_reasons_and_many_grants_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with hundreds of bindings to roles that are missing asks about thousands of namespaces."""
    monkeypatch.setattr(authorizing, "KEPT", 1_000_000)
    store = MemoryStore()
    for number in range(200):
        name = f"{'b' * 60}{number}"
        body = (
            b'{"apiVersion":"%b/v1","kind":"ClusterRoleBinding","metadata":{"name":"%b"},"roleRef":{"kind":"ClusterRole",'
            b'"name":"%b"},"subjects":[{"kind":"User","name":"jane"}]}' % (GROUP.encode(), name.encode(), name.encode())
        )
        await store.put(Key(f"{GROUP}/clusterrolebindings", "", name), body, expect=0)
    authorizer = Authorizer(store, lambda *_: None)
    for number in range(300):
        decision = authorizer.authorize(JANE, Attributes("get", resource="x", namespace=f"n{number}"))
        assert not decision.allowed and "not found" in decision.reason
    assert 0 < sum(len(decision.reason) for decision in authorizer._decisions._values.values()) <= 1_000_000
    assert 0 < sum(len(held.grants) for held in authorizer._held._values.values()) <= 1_000_000 // 256


async def test_lists_of_namespaces_that_are_not_there_are_not_kept(core: Core) -> None:
    store = core.api.store
    assert isinstance(store, MemoryStore)
    for number in range(50):
        answer = await core("GET", f"/api/v1/namespaces/absent-{number}/configmaps")
        assert (answer.status, answer.body["items"]) == (200, [])
    assert store.list("/configmaps", "absent-1") is store.list("/secrets", "absent-2"), "one list serves them all"


async def test_what_was_counted_of_a_kind_goes_with_it(core: Core) -> None:
    names = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    spec = {"group": "kept.example.com", "scope": "Cluster", "names": names, "versions": [version]}
    crds, gadgets = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/apis/kept.example.com/v1/gadgets"
    assert (await core("POST", crds, {"metadata": {"name": "gadgets.kept.example.com"}, "spec": spec})).status == 201
    async with asyncio.timeout(20):
        while (await core("GET", gadgets)).status != 200:
            await asyncio.sleep(0.01)
        assert b'resource="gadgets"' in (await core("GET", "/metrics")).body
        await core("DELETE", f"{crds}/gadgets.kept.example.com")
        while (await core("GET", gadgets)).status != 404:
            await asyncio.sleep(0.01)
    await core("GET", "/api/v1/namespaces/default")
    counted = (await core("GET", "/metrics")).body
    assert b'resource="gadgets"' not in counted
    assert b'resource="customresourcedefinitions"' in counted


async def test_nothing_compiled_is_kept_of_a_kind_that_went(core: Core) -> None:
    crds, kept = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", stored._shelf
    before = len(kept), kept.size
    for number in range(5):
        plural = f"gizmos{number}"
        names = {"plural": plural, "singular": f"gizmo{number}", "kind": f"Gizmo{number}"}
        schema = {"openAPIV3Schema": {"type": "object", "properties": {plural: {"type": "string"}}}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        spec = {"group": "kept.example.com", "scope": "Cluster", "names": names, "versions": [version]}
        name, path = f"{plural}.kept.example.com", f"/apis/kept.example.com/v1/{plural}"
        assert (await core("POST", crds, {"metadata": {"name": name}, "spec": spec})).status == 201
        async with asyncio.timeout(20):
            while (await core("GET", path)).status != 200:
                await asyncio.sleep(0.01)
            gizmo = {"apiVersion": "kept.example.com/v1", "kind": f"Gizmo{number}", "metadata": {"name": "a"}}
            assert (await core("POST", path, gizmo)).status == 201
            assert len(kept) > before[0]
            await core("DELETE", f"{crds}/{name}")
            while (await core("GET", path)).status != 404:
                await asyncio.sleep(0.01)
    assert (len(kept), kept.size) == before


async def test_usual_decisions_are_kept(core: Core) -> None:
    authorizer = core.api.guard.authorizer
    await core("GET", "/api/v1/namespaces/default/configmaps", user=JANE)
    assert len(authorizer._decisions) and len(authorizer._held)


def test_long_tokens_are_not_remembered(tmp_path: Path) -> None:
    tokens = TokenIssuer(Pki(tmp_path, datetime.datetime.now(datetime.UTC)).token_key)
    account = {Key("/serviceaccounts", "agents", "a"): {"metadata": {"uid": "1"}}}
    authenticator, now = Authenticator(tokens, account.get, time.time), time.time()
    for number in range(10):
        audiences = [tokens.issuer, *(f"{number}{'a' * 400}{i}" for i in range(99))]
        long, _ = tokens.issue("agents", "a", "1", 600, now, audiences=audiences)
        assert authenticator.user(f"Bearer {long}").name == "system:serviceaccount:agents:a"
    assert text_reached(authenticator._seen) == 0
    usual, _ = tokens.issue("agents", "a", "1", 600, now)
    assert authenticator.user(f"Bearer {usual}").name == "system:serviceaccount:agents:a"
    assert list(authenticator._seen) == [usual]


async def test_long_certificates_are_not_remembered(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        many = server.pki.client("jane", tuple(f"{'g' * 60}{number}" for number in range(100)))
        few = server.pki.client("joe", ("a",))
        for pair, name in ((many, "jane"), (few, "joe"), (many, "jane")):
            assert (await server.ask(pair)).json["user"] == name
        assert sum(map(len, server.tls.authorities._found)) < 4096


def remembered_by(answer: Any) -> int:
    """How many answers of a function are remembered."""
    cells = [cell.cell_contents for cell in getattr(answer, "__closure__", None) or ()]
    return sum(kept.cache_info().currsize for kept in (answer, *cells) if hasattr(kept, "cache_info"))


def test_long_words_are_not_remembered() -> None:
    caches = (accepting._is_served, accepting._is_media, options._plain, fieldset._named)
    before = [remembered_by(cache) for cache in caches]
    for number in range(20):
        word = f"{LONG}{number}"
        accepting._is_served(f"application/json;a={word}")
        accepting._is_media(f"application/json;a={word}")
        options.write_options(Request("POST", "/", headers={"user-agent": word}))
        fieldset._named("type", word)
    assert [remembered_by(cache) for cache in caches] == before
    options.write_options(Request("POST", "/", headers={"user-agent": "kubectl/1"}))
    assert remembered_by(options._plain) > 0


def test_only_short_arguments_are_remembered() -> None:
    asked = []

    @remembered(10)
    def answer(text: str, flag: bool = False) -> int:
        asked.append(text)
        return len(text)

    short, long = "a" * SHORT, "a" * (SHORT + 1)
    assert [answer(text) for text in (short, short, long, long)] == [SHORT, SHORT, SHORT + 1, SHORT + 1]
    assert asked == [short, long, long]
    assert length(("ab", ("c", ("d", None)), 7, b"e")) == 5
