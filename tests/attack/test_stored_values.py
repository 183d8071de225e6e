"""A refusal shows nothing of what is stored: not to who may change an object and not read it, nor in the audit log."""

import base64
import itertools
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.core import ADMIN, core

from starlink.apiserver.handler import Api
from starlink.apiserver.requests.audit import AuditLog
from starlink.http.message import Request, Response
from starlink.log import JsonFormatter

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
HIDDEN = base64.b64encode(b"HUNTER2 is the word of 30 byte").decode()
PIECE = 6
"""So many characters of it in a row are told apart from chance."""

SECRET, CONFIG_MAP, TASK = (
    "/api/v1/namespaces/default/secrets/s",
    "/api/v1/namespaces/default/configmaps/c",
    "/apis/starlink.dev/v1alpha1/namespaces/default/tasks/t",
)
OWNER = {"apiVersion": "v1", "kind": "x", "name": "y", "uid": "z"}
SOURCES = {
    SECRET: ("/data/pw", "/data"),
    CONFIG_MAP: ("/data/pw", "/data"),
    TASK: ("/spec/template/env/0/value", "/spec/template/env/0", "/spec/template/env"),
}
METADATA = (
    "name", "namespace", "uid", "resourceVersion", "generation", "generateName", "creationTimestamp", "selfLink",
    "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "finalizers", "ownerReferences",
    "managedFields", "unknown", "labels/a", "annotations/x y", "finalizers/0", "ownerReferences/0",
    *(f"ownerReferences/0/{field}" for field in ("apiVersion", "kind", "name", "uid", "controller", "x")),
)  # fmt: skip
SPEC = ("replicas", "type", "deadline", "placement", "update", "template/command", "template/resources", "unknown")
PLACES = (
    "", "/kind", "/apiVersion", "/metadata", "/type", "/immutable", "/data", "/data/x", "/data/x y", "/stringData",
    "/binaryData", "/binaryData/x", "/status", "/spec", "/unknown",
    *(f"/metadata/{field}" for field in METADATA), *(f"/spec/{field}" for field in SPEC),
)  # fmt: skip
ROOM = [
    {"op": "add", "path": "/metadata/labels", "value": {}},
    {"op": "add", "path": "/metadata/annotations", "value": {}},
    {"op": "add", "path": "/metadata/finalizers", "value": []},
    {"op": "add", "path": "/metadata/ownerReferences", "value": [OWNER]},
]


def stored() -> Iterator[tuple[str, dict[str, Any]]]:
    meta = {"namespace": "default"}
    yield SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", **meta}, "data": {"pw": HIDDEN}}
    yield (
        CONFIG_MAP,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", **meta}, "data": {"pw": HIDDEN}},
    )
    template = {"command": ["run"], "env": [{"name": "PW", "value": HIDDEN}]}
    yield (
        TASK,
        {
            "apiVersion": "starlink.dev/v1alpha1",
            "kind": "Task",
            "metadata": {"name": "t", **meta},
            "spec": {"template": template},
        },
    )


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with core(tmp_path) as made:
        made._audit = AuditLog(tmp_path / "audit.log", time.time)
        for path, obj in stored():
            assert (await ask(made, "POST", path.rpartition("/")[0], obj))[0] == 201
        yield made


async def ask(api: Api, method: str, path: str, body: Any, media: str = "application/json") -> tuple[int, bytes]:
    query = {"dryRun": "All", "fieldManager": "m"} if method == "PATCH" else {}
    answer = await api.handle(Request(method, path, query, {"content-type": media}, msgspec.json.encode(body), ADMIN))
    assert isinstance(answer, Response)
    return answer.status, answer.body + json.dumps(dict(answer.headers)).encode()


def shows(text: str) -> bool:
    return any(HIDDEN[at : at + PIECE] in text for at in range(len(HIDDEN) - PIECE + 1)) or "HUNTER" in text


@pytest.mark.parametrize("path", SOURCES)
async def test_no_copy_and_no_move_brings_a_value_into_a_refusal(api: Api, tmp_path: Path, path: str) -> None:
    refused = 0
    for source, place, op, subresource in itertools.product(SOURCES[path], PLACES, ("copy", "move"), ("", "/status")):
        if subresource and path != TASK:
            continue
        for before, after in (([], []), (ROOM, []), ([], [{"op": "add", "path": "/data/zz", "value": "!no base64"}])):
            patch = [*before, {"op": op, "from": source, "path": place}, *after]
            status, told = await ask(api, "PATCH", path + subresource, patch, JSON_PATCH)
            assert status != 500
            if status >= 400:
                refused += 1
                assert not shows(told.decode()), (patch, told)
    assert refused > 100
    audited = (tmp_path / "audit.log").read_text()
    assert audited.count('"reason":"') >= refused and not shows(audited)


async def test_a_refused_secret_names_the_field(api: Api) -> None:
    for place, field in (
        ("/metadata/name", "metadata.name"),
        ("/metadata/uid", "metadata.uid"),
        ("/metadata/labels", "metadata.labels"),
        ("/metadata/deletionTimestamp", "metadata.deletionTimestamp"),
        ("/metadata/managedFields", "metadata.managedFields"),
        ("/kind", "kind"),
        ("/apiVersion", "apiVersion"),
        ("/type", "type"),
    ):
        patch = [{"op": "copy", "from": "/data/pw", "path": place}]
        status, told = await ask(api, "PATCH", SECRET, patch, JSON_PATCH)
        assert status >= 400 and field in json.loads(told.partition(b"}{")[0] + b"}")["message"], told


@pytest.mark.parametrize("media", [MERGE, STRATEGIC, APPLY])
async def test_a_merge_shows_what_it_brought_and_nothing_else(api: Api, media: str) -> None:
    head = {"apiVersion": "v1", "metadata": {"name": "c"}}
    bad = {**head, "kind": "ConfigMap", "metadata": {"name": "c", "labels": {"a": "not so"}}, "data": {"x": "y"}}
    status, told = await ask(api, "PATCH", CONFIG_MAP, bad, media)
    assert status == 422 and b"not so" in told and not shows(told.decode())
    wrong: dict[str, Any]
    for wrong in ({"data": {"x": 5}}, {"immutable": "perhaps"}, {"metadata": {"name": "c", "labels": "none"}}):
        status, told = await ask(api, "PATCH", CONFIG_MAP, {**head, "kind": "ConfigMap", **wrong}, media)
        assert status >= 400 and not shows(told.decode())
    for wrong in ({"type": "another"}, {"data": {"x": "no base64!"}}, {"metadata": {"labels": {"a": "not so"}}}):
        body: dict[str, Any] = {**head, "kind": "Secret", **wrong}
        body["metadata"] = {**body["metadata"], "name": "s"}
        status, told = await ask(api, "PATCH", SECRET, body, media)
        assert status >= 400 and not shows(told.decode()) and b"no base64!" not in told


def test_a_log_tells_where_an_exception_was_and_not_what_it_said() -> None:
    try:
        try:
            int(HIDDEN)
        except ValueError as error:
            raise KeyError(HIDDEN) from error
    except KeyError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "a request failed", (), sys.exc_info())
    line = JsonFormatter("apiserver").format(record)
    assert not shows(line) and "ValueError" in line and "KeyError" in line and "test_stored_values.py" in line
