"""A value of another JSON type, at any place of any built-in kind's body, is refused and never a 500."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.core import ADMIN, core
from tests.attack.misshapen import example, misshapen, without

from starlink.apiserver.builtin import builtin_resources
from starlink.apiserver.handler import Api
from starlink.apiserver.message import Request, Response, Stream
from starlink.apiserver.resource import Resource
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


async def answer(api: Api, method: str, path: str, body: Any, media: str = "application/json", **query: str) -> Response:
    request = Request(method, path, query, {"content-type": media}, msgspec.json.encode(body), ADMIN)
    given = await api.handle(request)
    if isinstance(given, Stream):
        with contextlib.suppress(AttributeError):
            await given.chunks.aclose()  # type: ignore[attr-defined]
        return Response(given.status)
    return given


def bodies(resource: Resource) -> Iterator[tuple[str, Any]]:
    whole = example(resource.schema.openapi)
    if not isinstance(whole, dict):
        whole = {}
    whole |= {"apiVersion": resource.api_version, "kind": resource.kind}
    whole.setdefault("metadata", {"name": "x"})
    if resource.persistent:
        whole["metadata"] = {
            "name": "x", "labels": {"a": "b"}, "annotations": {"a": "b"}, "finalizers": ["example.com/a"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u", "controller": True}],
            "managedFields": [{"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "t",
                               "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}],
        }  # fmt: skip
    yield "whole", whole
    yield from misshapen(whole)
    yield from without(whole)
    for name in whole.keys() - {"apiVersion", "kind", "metadata"}:
        for told, body in misshapen({**{key: whole[key] for key in ("apiVersion", "kind")}, "metadata": {"name": "x"}, name: whole[name]}):
            yield f"{told} alone", body


@pytest.mark.parametrize("resource", KINDS, ids=lambda r: f"{r.group or 'core'}-{r.version}-{r.plural}")
async def test_a_wrong_type_is_never_a_500(api: Api, resource: Resource, caplog: pytest.LogCaptureFixture) -> None:
    path = _collection(resource)
    with caplog.at_level(logging.ERROR):
        for number, (told, body) in enumerate(bodies(resource)):
            requests = [("POST", path, "application/json")]
            if "update" in resource.verbs:
                requests.append(("PUT", f"{path}/x", "application/json"))
            if "patch" in resource.verbs:
                requests.append(("PATCH", f"{path}/x", PATCHES[number % len(PATCHES)]))
            for method, place, media in requests:
                given = await answer(api, method, place, body, media, dryRun="All", fieldManager="m")
                assert given.status < 500, f"{method} {media} of {told}: {given.body!r}: {caplog.text}"
