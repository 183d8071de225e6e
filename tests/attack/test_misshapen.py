"""A value of another JSON type, at any place of any built-in kind's body, is refused and never a 500."""

import contextlib
import logging
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.core import ADMIN, core
from tests.attack.misshapen import example, misshapen, without
from tests.profiles import tries

from starlink.apiserver.handler import Api
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.resources.resource import Resource
from starlink.http.message import Request, Response, Stream
from starlink.manifest import load_all

WORLD = Path(__file__).parents[1] / "integration" / "fuzz" / "world.yaml"
KINDS = [resource for resource in builtin_resources() if resource.verbs]
PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with core(tmp_path) as made:
        for obj in load_all(WORLD.read_text(), WORLD.name):
            resource = made.registry.find_kind(obj["apiVersion"], obj["kind"])
            assert resource is not None
            assert (await answer(made, "POST", _collection(resource), obj)).status == 201
        yield made


def _collection(resource: Resource) -> str:
    base = f"/apis/{resource.api_version}" if resource.group else "/api/v1"
    return f"{base}{'/namespaces/default' if resource.namespaced else ''}/{resource.plural}"


async def answer(
    api: Api, method: str, path: str, body: Any, media: str = "application/json", **query: str
) -> Response:
    request = Request(method, path, query, {"content-type": media}, msgspec.json.encode(body), ADMIN)
    given = await api.handle(request)
    if isinstance(given, Stream):
        with contextlib.suppress(AttributeError):
            await given.chunks.aclose()  # type: ignore[attr-defined]
        return Response(given.status)
    assert isinstance(given, Response)
    return given


METADATA = {
    "name": "x",
    "labels": {"a": "b"},
    "annotations": {"a": "b"},
    "finalizers": ["example.com/a"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u", "controller": True}],
    "managedFields": [
        {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "t", "fieldsV1": {"f:data": {"f:a": {}}}}
    ],
}
OF_METADATA = ("namespaces", "configmaps", "secrets")
"""Kinds whose metadata are made odd too: the rules of metadata are those of all kinds."""


def bodies(resource: Resource) -> Iterator[tuple[str, Any]]:
    whole = example(resource.schema.openapi)
    parts = whole if isinstance(whole, dict) else {}
    envelope = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "x"}}
    known = {name: part for name, part in parts.items() if name not in envelope}
    yield "whole", {**envelope, **known}
    for told, body in (*misshapen(known), *without(known)):
        yield told, {**envelope, **body}
    if not resource.persistent:  # a review asks one thing of several, so that all of them at once are refused
        for lacking, fewer in without(known):
            for told, body in misshapen(fewer):
                yield f"{lacking}, {told}", {**envelope, **body}
    for name, part in known.items():
        for told, body in misshapen({name: part}):
            yield f"{told} alone", {**envelope, **body}
    if resource.plural in OF_METADATA:
        for told, body in (*misshapen({"metadata": METADATA}), *without({"metadata": METADATA})):
            yield told, {**envelope, **known, **body}


@pytest.mark.parametrize("resource", KINDS, ids=lambda r: f"{r.group or 'core'}-{r.version}-{r.plural}")
async def test_a_wrong_type_is_never_a_500(api: Api, resource: Resource, caplog: pytest.LogCaptureFixture) -> None:
    path = _collection(resource)
    failed: dict[str, str] = {}
    with caplog.at_level(logging.ERROR):
        for number, (told, body) in enumerate(sampled(resource)):
            for method, place, media in requests_of(resource, path, number):
                given = await answer(api, method, place, body, media, dryRun="All", fieldManager="m")
                if given.status >= 500:
                    why = str(caplog.records[-1].exc_text) if caplog.records else str(given.body)
                    failed.setdefault(why[-400:], f"{method} {media}: {told}")
    assert not failed, "\n".join(f"{told}: {why}" for why, told in failed.items())


def sampled(resource: Resource) -> list[tuple[str, Any]]:
    """As many bodies as there is time for, the same each time; all of them with a large STARLINK_FUZZ."""
    made = list(bodies(resource))
    most = tries(40)
    return made if len(made) <= most else random.Random(resource.kind).sample(made, most)


def requests_of(resource: Resource, path: str, number: int) -> Iterator[tuple[str, str, str]]:
    """By which requests a body is sent: its number says which patch."""
    yield "POST", path, "application/json"
    if "update" in resource.verbs:
        yield "PUT", f"{path}/x", "application/json"
    if "patch" in resource.verbs:
        yield "PATCH", f"{path}/x", PATCHES[number % len(PATCHES)]


ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
TOKEN_REQUEST = next(resource for resource in builtin_resources() if resource.kind == "TokenRequest")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"spec": {"audiences": 5}}, "spec.audiences"),
        ({"spec": {"audiences": "x"}}, "spec.audiences"),
        ({"spec": {"audiences": [5, None]}}, "spec.audiences[0]"),
        ({"spec": {"audiences": ["a"] * 101}}, "spec.audiences"),
        ({"spec": {"boundObjectRef": "x"}}, "spec.boundObjectRef"),
        ({"spec": {"boundObjectRef": {"kind": "Secret", "apiVersion": 1, "name": []}}}, "spec.boundObjectRef"),
        ({"spec": {"expirationSeconds": "3600"}}, "spec.expirationSeconds"),
        ({"spec": {"expirationSeconds": True}}, "spec.expirationSeconds"),
        ({"spec": []}, "spec"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"labels": 5}}, "metadata.labels"),
        ({"apiVersion": "v1", "kind": "Pod"}, "Pod"),
        ({"apiVersion": "v1", "kind": "ServiceAccount"}, "ServiceAccount"),
        ({"metadata": {"name": "other"}}, "other"),
        ({"metadata": {"namespace": "other"}}, "namespace"),
    ],
    ids=str,
)
async def test_a_misshapen_token_request_gets_no_token(api: Api, body: Any, named: str) -> None:
    await answer(api, "POST", ACCOUNTS, {"metadata": {"name": "robot"}})
    given = await answer(api, "POST", f"{ACCOUNTS}/robot/token", body)
    assert given.status in (400, 422) and named in msgspec.json.decode(given.body)["message"], given.body


async def test_no_token_request_is_a_500(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    await answer(api, "POST", ACCOUNTS, {"metadata": {"name": "robot"}})
    whole = example(TOKEN_REQUEST.schema.openapi)
    for told, body in (*misshapen({"spec": whole["spec"], "metadata": METADATA}), *without(whole)):
        given = await answer(api, "POST", f"{ACCOUNTS}/robot/token", body)
        assert given.status < 500, f"{told}: {caplog.text}"


@pytest.mark.parametrize("body", [{}, {"spec": {}}, {"spec": {"audiences": None, "boundObjectRef": None}}], ids=str)
async def test_a_token_request_may_leave_out_what_it_does_not_want(api: Api, body: Any) -> None:
    await answer(api, "POST", ACCOUNTS, {"metadata": {"name": "robot"}})
    assert (await answer(api, "POST", f"{ACCOUNTS}/robot/token", body)).status == 201
